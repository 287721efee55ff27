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

// CaptureOptions say what an image is made of that comes out of a guest's disk.
type CaptureOptions struct {
	Name    ispctl.Name
	Disk    Copy   // what is read; where to, and how, is Capture's
	Boot    string // directory of the image whose kernel boots it
	Cmdline string
	Source  string // where it comes from, for the manifest

	Progress func(Event) // as of [BuildOptions]
}

// The phases of a capture, after which comes [PhaseStore].
const (
	PhaseCopy  = "copy"
	PhaseClean = "clean"
)

// Capture takes what a guest's disk holds into the store, as an image from which
// others are made: without its host keys, machine-id, logs, histories, authorized
// keys and passwords, and without what was deleted in it. The disk must be one
// ext4 file system, as those are that [Build] makes. It takes root.
//
// Whatever fails, the store is as it was.
func Capture(ctx context.Context, s *Store, o CaptureOptions) (ispctl.Image, error) {
	image, err := captured(ctx, s, o)
	if err != nil {
		return ispctl.Image{}, &ispctl.Error{Kind: ispctl.KindOf(err), Object: o.Source, Err: diskFull(err)}
	}
	return image, nil
}

func captured(ctx context.Context, s *Store, o CaptureOptions) (ispctl.Image, error) {
	tell := func(phase, message string) {
		if o.Progress != nil {
			o.Progress(Event{Phase: phase, Message: message})
		}
	}
	stage, err := s.Stage()
	if err != nil {
		return ispctl.Image{}, err
	}
	defer stage.Close()
	spool, err := newSpool(stage, DefaultLargest)
	if err != nil {
		return ispctl.Image{}, err
	}
	tell(PhaseCopy, "what the disk holds")
	o.Disk.To, o.Disk.Raw = filepath.Join(stage.Dir, "copy"), true
	if err := o.Disk.Run(ctx); err != nil {
		return ispctl.Image{}, err
	}
	name := spool.next()
	if err := errors.Join(os.Lchown(o.Disk.To, jail.UID, jail.UID), os.Rename(o.Disk.To, spool.path(name))); err != nil {
		return ispctl.Image{}, err
	}
	if err := spool.holdsExt(name); err != nil {
		return ispctl.Image{}, err
	}
	tell(PhaseClean, "take out keys, logs and passwords")
	if err := (&cleaner{spool: spool, disk: name}).clean(ctx); err != nil {
		return ispctl.Image{}, err
	}
	if err := spool.release(name, filepath.Join(stage.Dir, diskFile)); err != nil {
		return ispctl.Image{}, err
	}
	for _, file := range []string{kernelFile, initrdFile} {
		if err := copyFile(filepath.Join(o.Boot, file), filepath.Join(stage.Dir, file)); err != nil {
			return ispctl.Image{}, err
		}
	}
	if err := os.RemoveAll(spool.dir); err != nil {
		return ispctl.Image{}, err
	}
	tell(PhaseStore, "add to "+s.Dir)
	return s.Add(ctx, stage.Dir, Manifest{Name: o.Name, Cmdline: o.Cmdline, Source: o.Source})
}

// holdsExt reports as an error that a file is no ext2, ext3 or ext4 file system:
// their superblock is at 1024, and its magic number, 0xEF53, at 56 of that.
func (s *spool) holdsExt(name string) error {
	f, _, err := s.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var magic [2]byte
	if _, err := f.ReadAt(magic[:], 1024+56); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if magic != [2]byte{0x53, 0xef} {
		return ispctl.Conflicting("", "", "its disk is no single ext4 file system, and no other can be cleaned")
	}
	return nil
}

// release gives a file of the spool to root, under a name outside of it. The owner
// goes by the open file: by its name it could be another by now, were anybody left
// in the jail.
func (s *spool) release(name, to string) error {
	f, _, err := s.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := errors.Join(f.Chown(0, 0), f.Chmod(0o600)); err != nil {
		return fmt.Errorf("take %s out of the spool: %w", name, err)
	}
	return rename(s.path(name), to, unix.RENAME_NOREPLACE)
}
