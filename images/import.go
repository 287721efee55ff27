package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/images/foreign"
	"ispctl/images/jail"
)

// ImportOptions say what a foreign file is to become.
type ImportOptions struct {
	Name   ispctl.Name
	Source string // where it comes from, for the manifest
	SHA256 string // that the file must have, in hex; empty: any

	// Largest is how large the file, what it unpacks to, and its disk may be;
	// 0: [DefaultLargest].
	Largest ispctl.Size

	// Kernel and Initrd, if set, are files that boot the disk; without them it
	// boots by its own boot sector.
	Kernel, Initrd, Cmdline string

	Progress func(Event) // as of [BuildOptions]

	// pulled: the file is ours, in the store, and nobody changes it.
	pulled bool
}

// DefaultLargest is beyond any image that is meant to be copied often.
const DefaultLargest = 64 * ispctl.GiB

// The phases of an import.
const (
	PhaseRead    = "read"
	PhaseUnpack  = "unpack"
	PhaseConvert = "convert"
)

// Import takes a disk image that others made into the store: raw, qcow2, VMDK,
// VHD, VHDX or VDI, as it is, compressed by gzip, xz or zstd, or alone in a tar
// or zip archive. The file is judged by its content, never by its name; see
// package foreign for what is refused. It takes root.
//
// Whatever fails, the store is as it was. Errors of kind [ispctl.Usage] say why
// the file is refused.
func Import(ctx context.Context, s *Store, file string, o ImportOptions) (ispctl.Image, error) {
	image, err := imported(ctx, s, file, o)
	if err != nil {
		return ispctl.Image{}, &ispctl.Error{Kind: ispctl.KindOf(err), Object: "image file " + strconv.Quote(file), Err: diskFull(err)}
	}
	return image, nil
}

func imported(ctx context.Context, s *Store, file string, o ImportOptions) (ispctl.Image, error) {
	if o.Largest == 0 {
		o.Largest = DefaultLargest
	}
	if os.Geteuid() != 0 {
		return ispctl.Image{}, &ispctl.Error{Kind: ispctl.Permission, Cause: "only root can import: the converter is confined to a user of its own"}
	}
	in, err := openRegular(file)
	if err != nil {
		return ispctl.Image{}, err
	}
	defer in.Close()
	stage, err := s.Stage()
	if err != nil {
		return ispctl.Image{}, err
	}
	defer stage.Close()
	spool, err := newSpool(stage, o.Largest)
	if err != nil {
		return ispctl.Image{}, err
	}
	im := importer{ImportOptions: o, stage: stage, spool: spool}
	if err := im.run(ctx, in); err != nil {
		return ispctl.Image{}, err
	}
	im.tell(PhaseStore, "add to "+s.Dir)
	m := Manifest{Name: o.Name, Cmdline: o.Cmdline, Source: o.Source, Origin: im.origin}
	return s.Add(ctx, stage.Dir, m)
}

// openRegular opens no pipe, no device and no directory, and waits for none.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &ispctl.Error{Kind: ispctl.NotFound, Cause: "not found"}
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = ispctl.Invalid("", "", "is no regular file")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// importer is one import under way.
type importer struct {
	ImportOptions
	stage  *Stage
	spool  *spool
	origin string // sha256 of the file that was given
}

func (im *importer) tell(phase, message string) {
	if im.Progress != nil {
		im.Progress(Event{Phase: phase, Message: message})
	}
}

// run leaves disk.raw, and the kernel's files if there are any, in the stage,
// and nothing else.
func (im *importer) run(ctx context.Context, in *os.File) error {
	name, err := im.take(ctx, in)
	if err != nil {
		return err
	}
	// Of the copy: the file itself may change while it is read.
	if im.origin, err = hashFile(ctx, im.spool.path(name)); err != nil {
		return err
	}
	if im.SHA256 != "" && !strings.EqualFold(im.SHA256, im.origin) {
		return ispctl.Invalid("", "", "has sha256 %s, not %s", im.origin, strings.ToLower(im.SHA256))
	}
	name, image, err := im.unwrap(ctx, name)
	if err != nil {
		return err
	}
	if err := im.convert(ctx, name, image); err != nil {
		return err
	}
	if err := im.boot(); err != nil {
		return err
	}
	return os.RemoveAll(im.spool.dir)
}

// take makes the file one that cannot change any more.
func (im *importer) take(ctx context.Context, in *os.File) (string, error) {
	if im.pulled {
		name := im.spool.next()
		// Others than root may read it, in the spool, and only root write.
		return name, errors.Join(in.Chmod(0o444), os.Link(in.Name(), im.spool.path(name)))
	}
	im.tell(PhaseRead, "copy it, and look at what it is")
	return im.spool.take(ctx, in)
}

// mostLayers is how deep a disk may be wrapped: `disk.vmdk.gz` in a tar in an xz
// is three.
const mostLayers = 3

// unwrap takes the disk out of compressions and archives, until a judge has seen
// it itself.
func (im *importer) unwrap(ctx context.Context, name string) (string, foreign.Image, error) {
	for range mostLayers + 1 {
		image, err := im.judge(name)
		switch {
		case err != nil:
			return "", image, err
		case image.Format.Compressed():
			im.tell(PhaseUnpack, string(image.Format))
			name, err = im.spool.unpacked(ctx, name, image.Format)
		case image.Format.Archive():
			im.tell(PhaseUnpack, string(image.Format))
			name, err = im.spool.extracted(ctx, name, image.Format)
		default:
			return name, image, nil
		}
		if err != nil {
			return "", image, err
		}
	}
	return "", foreign.Image{}, ispctl.Invalid("", "", "is packed into more than %d layers", mostLayers)
}

func (im *importer) judge(name string) (foreign.Image, error) {
	f, length, err := im.spool.open(name)
	if err != nil {
		return foreign.Image{}, err
	}
	defer f.Close()
	return foreign.Judge(f, length, im.Largest)
}

// convert makes disk.raw of a file that was judged.
func (im *importer) convert(ctx context.Context, name string, image foreign.Image) error {
	disk := filepath.Join(im.stage.Dir, diskFile)
	if image.Format != foreign.Raw {
		im.tell(PhaseConvert, fmt.Sprintf("%s, a disk of %s", image.Format, image.Size))
		if err := im.spool.room(image.Data); err != nil {
			return err
		}
		to := im.spool.next()
		// The format is given: qemu-img must not guess, or the file chooses.
		err := jail.Program{
			Argv: []string{
				"qemu-img", "convert", "-q", "-f", image.Format.Driver(), "-O", "raw", "-S", "4k",
				filepath.Join(jail.Spool, name), filepath.Join(jail.Spool, to),
			},
			Dir: im.spool.dir, Memory: 4 * ispctl.GiB, FileSize: max(im.Largest, ispctl.GiB), CPU: time.Hour,
		}.Run(ctx)
		if errors.Is(err, jail.ErrProgram) && !strings.Contains(err.Error(), "No space left") {
			return ispctl.Invalid("", "", "cannot be converted: %v", err)
		}
		if err != nil {
			return err
		}
		name = to
	}
	f, length, err := im.spool.open(name)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// The geometry of a VHD may mean another size than the one beside it.
	if image.Format != foreign.VHD && length != int64(image.Size) {
		return ispctl.Invalid("", "", "says that its disk has %d bytes, and holds %d", int64(image.Size), length)
	}
	return im.spool.release(name, disk)
}

// boot makes sure that there is something to boot by.
func (im *importer) boot() error {
	for _, part := range []struct{ from, to string }{{im.Kernel, kernelFile}, {im.Initrd, initrdFile}} {
		if part.from == "" {
			continue
		}
		f, err := openRegular(part.from)
		if err != nil {
			return &ispctl.Error{Kind: ispctl.KindOf(err), Object: "file " + strconv.Quote(part.from), Err: err}
		}
		if err := errors.Join(f.Close(), copyFile(part.from, filepath.Join(im.stage.Dir, part.to))); err != nil {
			return err
		}
	}
	if im.Kernel != "" {
		return nil
	}
	f, err := os.Open(filepath.Join(im.stage.Dir, diskFile))
	if err != nil {
		return err
	}
	defer f.Close()
	first := make([]byte, 512)
	if _, err := f.ReadAt(first, 0); err != nil {
		return err
	}
	if !foreign.Bootable(first) {
		return &ispctl.Error{
			Kind: ispctl.Usage, Cause: "holds a disk without a boot loader for BIOS in its first sector",
			Next: "take the image's variant for BIOS, or give --kernel, --initrd and --cmdline",
		}
	}
	return nil
}

// diskFull gives the kernel's word for a full file system, or qemu-img's, a next
// step.
func diskFull(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, jail.ErrProgram) && strings.Contains(err.Error(), "No space left") {
		return noSpace(err.Error())
	}
	return err
}
