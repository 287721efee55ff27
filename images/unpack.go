package images

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"ispctl"
	"ispctl/images/foreign"
	"ispctl/images/jail"
)

// unpackers are the programs that undo a compression, from standard input to
// standard output, and the Debian packages that have them. They are not ours, so
// they run in jail; the memory that a file may ask of them has a limit there and
// here.
var unpackers = map[foreign.Format]struct {
	argv []string
	pkg  string
}{
	foreign.Gzip: {[]string{"gzip", "-dc"}, "gzip"},
	foreign.XZ:   {[]string{"xz", "-dc", "-T1", "--memlimit=512MiB"}, "xz-utils"},
	foreign.Zstd: {[]string{"zstd", "-dcq", "--memory=512MB"}, "zstd"},
}

// unpacked undoes a compression and returns the name of what was inside.
func (s *spool) unpacked(ctx context.Context, name string, format foreign.Format) (string, error) {
	by := unpackers[format]
	in, _, err := s.open(name)
	if err != nil {
		return "", err
	}
	defer in.Close()
	// Its own spool is empty: it needs no file but the two streams.
	empty := s.path(s.next())
	if err := errors.Join(os.Mkdir(empty, 0o700), os.Chown(empty, jail.UID, jail.UID)); err != nil {
		return "", err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := jail.Program{Argv: by.argv, Dir: empty, Stdin: in, Stdout: stdout, Memory: ispctl.GiB, CPU: time.Hour}.Run(ctx)
		ended <- err
		// The reader must not take the end of a program that failed for that of
		// the stream.
		_ = stdout.CloseWithError(err)
	}()
	to := s.next()
	err = s.write(to, func(w *os.File) error { return s.fill(ctx, w, out) })
	if err != nil {
		stop(err)
		_ = out.CloseWithError(err)
	}
	if ended := <-ended; errors.Is(ended, jail.ErrProgram) && ispctl.KindOf(err) != ispctl.Usage {
		return "", ispctl.Invalid("", "", "cannot be unpacked: %v", ended)
	}
	if err != nil {
		return "", err
	}
	return to, errors.Join(os.Remove(empty), os.Remove(s.path(name)))
}

// mostEntries is how many files an archive may have. An appliance has four.
const mostEntries = 1000

// member is one regular file of an archive.
type member struct {
	name string
	size int64
	open func() (io.ReadCloser, error)
}

// extracted takes the one disk out of an archive and returns its name in the
// spool. Nothing is ever written under a name that the archive gave.
func (s *spool) extracted(ctx context.Context, name string, format foreign.Format) (string, error) {
	in, size, err := s.open(name)
	if err != nil {
		return "", err
	}
	defer in.Close()
	list := tarMembers
	if format == foreign.Zip {
		list = zipMembers
	}
	all, err := list(in, size)
	if err != nil {
		return "", err
	}
	one, err := theDisk(all)
	if err != nil {
		return "", err
	}
	if one.size > int64(s.largest) {
		return "", tooLarge(s.largest)
	}
	r, err := one.open()
	if err != nil {
		return "", unreadable(err)
	}
	defer r.Close()
	to := s.next()
	if err := s.write(to, func(w *os.File) error { return s.fill(ctx, w, sound{r}) }); err != nil {
		return "", err
	}
	return to, os.Remove(s.path(name))
}

// sound makes the errors of an archive's reader those of a bad file.
type sound struct{ r io.Reader }

func (s sound) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // the end itself
		err = unreadable(err)
	}
	return n, err
}

func unreadable(err error) error {
	if ispctl.KindOf(err) == ispctl.Usage {
		return err
	}
	return ispctl.Invalid("", "", "is an archive that cannot be read: %v", err)
}

// companions are what appliances have beside their disk.
var companions = []string{".ovf", ".mf", ".cert", ".txt", ".md", ".json", ".sha256", ".sha512", ".asc", ".sig", ".xml"}

func theDisk(all []member) (member, error) {
	var disks []member
	for _, m := range all {
		lower := strings.ToLower(m.name)
		isCompanion := false
		for _, ending := range companions {
			isCompanion = isCompanion || strings.HasSuffix(lower, ending)
		}
		if !isCompanion {
			disks = append(disks, m)
		}
	}
	if len(disks) == 1 {
		return disks[0], nil
	}
	names := ""
	for i, m := range disks {
		if i == 5 {
			names += ", ..."
			break
		}
		names += fmt.Sprintf(", %.60q", m.name)
	}
	return member{}, &ispctl.Error{
		Kind: ispctl.Usage, Cause: fmt.Sprintf("is an archive of %d files that may be the disk%s", len(disks), strings.Replace(names, ",", ":", 1)),
		Next: "unpack it and import the disk alone",
	}
}

// checkMember judges a name and a kind before anything is read by them.
func checkMember(name string, mode fs.FileMode) error {
	shown := fmt.Sprintf("%.80q", name)
	clean := strings.ReplaceAll(name, `\`, "/")
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return ispctl.Invalid("", "", "is an archive that holds a file without a name")
	case path.IsAbs(clean) || len(clean) > 1 && clean[1] == ':':
		return ispctl.Invalid("", "", "is an archive that holds an absolute name, %s", shown)
	}
	for element := range strings.SplitSeq(clean, "/") {
		if element == ".." {
			return ispctl.Invalid("", "", "is an archive that holds a name that leads out of it, %s", shown)
		}
	}
	if !mode.IsRegular() && !mode.IsDir() {
		return ispctl.Invalid("", "", "is an archive that holds a link, a device or another special file, %s", shown)
	}
	return nil
}

func tarMembers(in *os.File, size int64) ([]member, error) {
	var all []member
	r := tar.NewReader(io.NewSectionReader(in, 0, size))
	for n := 0; ; n++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, unreadable(err)
		}
		if n == mostEntries {
			return nil, ispctl.Invalid("", "", "is an archive of more than %d files", mostEntries)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		mode := h.FileInfo().Mode()
		if h.Typeflag == tar.TypeLink { // which has the mode of what it leads to
			mode = fs.ModeIrregular
		}
		if err := checkMember(h.Name, mode); err != nil {
			return nil, err
		}
		if mode.IsRegular() {
			all = append(all, member{h.Name, h.Size, func() (io.ReadCloser, error) { return tarMember(in, size, n) }})
		}
	}
}

// tarMember reads from the start to the n-th entry.
func tarMember(in *os.File, size int64, n int) (io.ReadCloser, error) {
	r := tar.NewReader(io.NewSectionReader(in, 0, size))
	for range n + 1 {
		if _, err := r.Next(); err != nil {
			return nil, err
		}
	}
	return io.NopCloser(r), nil
}

func zipMembers(in *os.File, size int64) ([]member, error) {
	r, err := zip.NewReader(in, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, unreadable(err)
	}
	if len(r.File) > mostEntries {
		return nil, ispctl.Invalid("", "", "is an archive of more than %d files", mostEntries)
	}
	var all []member
	for _, f := range r.File {
		const encrypted = 1 << 0
		if err := checkMember(f.Name, f.Mode()); err != nil {
			return nil, err
		}
		if f.Flags&encrypted != 0 {
			return nil, ispctl.Invalid("", "", "is an archive that is encrypted")
		}
		if !f.Mode().IsDir() {
			all = append(all, member{f.Name, int64(min(f.UncompressedSize64, 1<<62)), f.Open})
		}
	}
	return all, nil
}
