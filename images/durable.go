package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The modes of what a hypervisor under another user reads: it must pass
// through our directories, and libvirt gives it the files themselves.
const (
	dirMode  fs.FileMode = 0o711
	fileMode fs.FileMode = 0o600
)

// tempName is where a file is written before it is renamed into place. It is
// the same each time, so that what a killed process left is overwritten by the
// next one and does not pile up.
func tempName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
}

// writeDurably makes the file as a whole or not at all: whatever happens, the
// name shows nothing, what it showed before, or everything that fill wrote.
// With rename flag [unix.RENAME_NOREPLACE] it fails with [fs.ErrExist] where
// the file is there already.
func writeDurably(path string, renameFlags uint, fill func(*os.File) error) (err error) {
	temp := tempName(path)
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreGone(os.Remove(temp)))
		}
	}()
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = rename(temp, path, renameFlags); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// rename is renameat2(2).
func rename(from, to string, flags uint) error {
	if err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, flags); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// syncDir makes the names in a directory last.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// makeDirs is MkdirAll whose last directory has the mode whatever the umask.
func makeDirs(path string, mode fs.FileMode) error {
	if err := os.MkdirAll(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
