package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// stagePrefix begins the name of every directory in the store that is no image
// (yet, or any more).
const stagePrefix = ".stage-"

// Stage is a directory inside a store in which an image is made, so that adding
// it is one rename. As long as the process lives it holds a lock on the
// directory; one that nobody has locked is what a killed process left.
type Stage struct {
	Dir  string
	lock *os.File
}

// Stage makes an empty directory to build an image in, after it has removed
// those that killed processes left. The caller closes it.
func (s *Store) Stage() (*Stage, error) {
	if err := makeDirs(s.Dir, dirMode); err != nil {
		return nil, fmt.Errorf("image store: %w", err)
	}
	if err := s.sweep(); err != nil {
		return nil, fmt.Errorf("image store: remove what a killed build left: %w", err)
	}
	for {
		dir, err := os.MkdirTemp(s.Dir, stagePrefix)
		if err != nil {
			return nil, fmt.Errorf("image store: %w", err)
		}
		lock, err := lockDir(dir)
		if err == nil {
			err = os.Chmod(dir, dirMode) // apt fetches packages as another user
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // swept by another process before it was locked
		}
		if err != nil {
			return nil, fmt.Errorf("image store: %w", errors.Join(err, os.Remove(dir)))
		}
		return &Stage{Dir: dir, lock: lock}, nil
	}
}

// Close removes the directory, if it has not become an image, and all it holds.
func (s *Stage) Close() error {
	return errors.Join(os.RemoveAll(s.Dir), s.lock.Close())
}

// sweep removes every stage that no process holds.
func (s *Store) sweep() error {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), stagePrefix) {
			continue
		}
		dir := filepath.Join(s.Dir, e.Name())
		lock, err := lockDir(dir)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, fs.ErrNotExist):
			continue // alive, or gone meanwhile
		case err != nil:
			errs = append(errs, err)
			continue
		}
		errs = append(errs, os.RemoveAll(dir), lock.Close())
	}
	return errors.Join(errs...)
}

// lockDir takes the lock of a directory that is still there once it is locked.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), f.Close())
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
