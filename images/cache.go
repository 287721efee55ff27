package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// cache is a directory that keeps built images by the hash of their recipe. An
// entry is a directory like an image's in the store.
type cache struct{ dir, key string }

func (c cache) entry() string { return filepath.Join(c.dir, c.key) }

// fetch puts the three files of the cached image into an empty directory, and
// returns the manifest that describes them. Whatever is wrong with the entry,
// it is as if there was none: the build replaces it.
func (c cache) fetch(ctx context.Context, dir string) (Manifest, bool) {
	if c.dir == "" {
		return Manifest{}, false
	}
	m, err := c.tryFetch(ctx, dir)
	if err == nil {
		return m, true
	}
	for _, name := range contents {
		// Left over, it would fail the build that follows, and say why.
		_ = os.Remove(filepath.Join(dir, name))
	}
	return Manifest{}, false
}

func (c cache) tryFetch(ctx context.Context, dir string) (Manifest, error) {
	data, err := os.ReadFile(filepath.Join(c.entry(), manifestFile))
	if err != nil {
		return Manifest{}, err
	}
	m, err := decodeManifest(data)
	if err != nil {
		return Manifest{}, err
	}
	for _, name := range contents {
		if err := linkOrCopy(filepath.Join(c.entry(), name), filepath.Join(dir, name)); err != nil {
			return Manifest{}, err
		}
	}
	m, err = m.describe(ctx, dir)
	if err != nil {
		return Manifest{}, err
	}
	if again, _, err := m.encode(); err != nil || !bytes.Equal(data, again) || m.Recipe != c.key {
		return Manifest{}, errors.Join(err, fmt.Errorf("cached image %s: its files have changed", c.key))
	}
	return m, nil
}

// keep makes the files of an image the cache's entry.
func (c cache) keep(image string) error {
	if c.dir == "" {
		return nil
	}
	stage, err := (&Store{Dir: c.dir}).Stage()
	if err != nil {
		return err
	}
	defer stage.Close()
	for _, name := range append(contents[:], manifestFile) {
		if err := linkOrCopy(filepath.Join(image, name), filepath.Join(stage.Dir, name)); err != nil {
			return fmt.Errorf("cache %s: %w", image, err)
		}
	}
	if err := os.RemoveAll(c.entry()); err != nil {
		return err
	}
	return rename(stage.Dir, c.entry(), 0)
}

// linkOrCopy makes another name for an immutable file, or, where the file
// system or its border forbids that, a file of the same content.
func linkOrCopy(from, to string) error {
	if err := os.Link(from, to); err == nil {
		return nil
	}
	return copyFile(from, to)
}

// copyFile shares the blocks where the file system can (reflink), and else
// copies what is data and leaves holes where there are holes.
func copyFile(from, to string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) == nil {
		return nil
	}
	st, err := src.Stat()
	if err != nil {
		return err
	}
	if err := dst.Truncate(st.Size()); err != nil {
		return err
	}
	for at := int64(0); at < st.Size(); {
		start, err := src.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // a hole up to the end
		}
		if err != nil {
			return err
		}
		end, err := src.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(dst, start), io.NewSectionReader(src, start, end-start)); err != nil {
			return err
		}
		at = end
	}
	return nil
}
