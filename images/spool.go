package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/images/jail"
)

// spool is the directory, inside a stage, where a foreign file is unpacked and
// converted. It belongs to the user of the jail; what comes out of it is trusted
// as little as what went in.
type spool struct {
	dir     string
	largest ispctl.Size
	files   int
}

func newSpool(stage *Stage, largest ispctl.Size) (*spool, error) {
	s := &spool{dir: filepath.Join(stage.Dir, "spool"), largest: largest}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	return s, os.Chown(s.dir, jail.UID, jail.UID)
}

// next is a name in the spool that nothing has yet.
func (s *spool) next() string {
	s.files++
	return fmt.Sprintf("file-%d", s.files)
}

func (s *spool) path(name string) string { return filepath.Join(s.dir, name) }

// take copies a file into the spool, with its holes.
func (s *spool) take(ctx context.Context, from *os.File) (string, error) {
	st, err := from.Stat()
	if err != nil {
		return "", err
	}
	if st.Size() > int64(s.largest) {
		return "", tooLarge(s.largest)
	}
	name := s.next()
	// Where blocks are shared it takes no room at all.
	err = s.write(name, func(w *os.File) error {
		if unix.IoctlFileClone(int(w.Fd()), int(from.Fd())) == nil {
			return nil
		}
		if err := s.room(ispctl.Size(st.Size())); err != nil {
			return err
		}
		return s.fill(ctx, w, io.NewSectionReader(from, 0, st.Size()))
	})
	return name, err
}

// write makes a file in the spool.
func (s *spool) write(name string, fill func(*os.File) error) error {
	f, err := os.OpenFile(s.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	err = fill(f)
	// The jail's user reads it, and nobody else.
	return errors.Join(err, f.Chown(jail.UID, jail.UID), f.Close())
}

// open opens a file of the spool that must be one: whoever was in the jail could
// have left a link in its place.
func (s *spool) open(name string) (*os.File, int64, error) {
	f, err := os.OpenFile(s.path(name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", f.Name())
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, st.Size(), nil
}

// fill copies a stream into a file: zeros become holes, and there is a limit to
// the stream's length and to what it may leave of the file system.
func (s *spool) fill(ctx context.Context, w *os.File, r io.Reader) error {
	const piece = 1 << 20
	const look = 64 // pieces after which the room is looked at
	b := make([]byte, piece)
	var at int64
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n%look == look-1 {
			if err := s.room(look * piece); err != nil {
				return err
			}
		}
		got, err := readFull(r, b)
		if at+int64(got) > int64(s.largest) {
			return tooLarge(s.largest)
		}
		if err := writeSparse(w, b[:got], at); err != nil {
			return err
		}
		at += int64(got)
		switch {
		case err == io.EOF: //nolint:errorlint // the stream's own end, and no other's
			return w.Truncate(at)
		case err != nil:
			return err
		}
	}
}

// readFull is [io.ReadFull] without an error of its own: that of a stream that is
// cut short is [io.ErrUnexpectedEOF] in most readers, and means it.
func readFull(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var got int
		got, err = r.Read(b[n:])
		n += got
	}
	return n, err
}

// writeSparse writes what is not zero.
func writeSparse(w io.WriterAt, b []byte, at int64) error {
	const block = 4096
	for len(b) > 0 {
		n := min(block, len(b))
		if !isZero(b[:n]) {
			if _, err := w.WriteAt(b[:n], at); err != nil {
				return err
			}
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// room wants that many bytes to be free, and some to be left for the guests:
// a file system that is full stops all of them.
func (s *spool) room(need ispctl.Size) error {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return fmt.Errorf("statfs %s: %w", s.dir, err)
	}
	free := ispctl.Size(st.Bavail) * ispctl.Size(st.Bsize)
	keep := min(ispctl.GiB, ispctl.Size(st.Blocks)*ispctl.Size(st.Bsize)/20)
	if need > free-keep {
		return noSpace(fmt.Sprintf("it takes %s, and of %s that are free %s are kept for the guests", need, free, keep))
	}
	return nil
}

// roomFor is room for what cares for numbers alone.
func (s *spool) roomFor(bytes int64) error { return s.room(ispctl.Size(bytes)) }

func noSpace(detail string) error {
	return &ispctl.Error{
		Kind: ispctl.Failed, Cause: "no space left in the image store: " + detail,
		Next: "make room (ispctl image prune), then try again",
	}
}

func tooLarge(largest ispctl.Size) error {
	return &ispctl.Error{
		Kind: ispctl.Usage, Cause: fmt.Sprintf("is, or unpacks to, more than the %s that are allowed", largest),
		Next: "if that is meant, raise --max-size",
	}
}
