package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
)

// Store is a directory of images, each named by what it contains, none ever
// changed: Dir/DIGEST/{disk.raw,vmlinuz,initrd.img,manifest.json,built}, without
// the kernel and its initial RAM disk where the disk boots by itself. An image is there as a whole or not at all, whenever a process is killed.
// Several processes may use one store.
type Store struct{ Dir string }

// List returns every image, sorted by name, the newest first. Those that can
// be read are returned even if the error names some that cannot.
func (s *Store) List(ctx context.Context) ([]ispctl.Image, error) {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return nil, ignoreGone(err)
	}
	var all []ispctl.Image
	var errs []error
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !digestPattern.MatchString(e.Name()) {
			continue
		}
		image, _, err := s.read(e.Name())
		if errors.Is(err, fs.ErrNotExist) && !s.has(e.Name()) {
			continue // removed meanwhile
		}
		if err != nil {
			errs = append(errs, damaged(e.Name(), err))
			continue
		}
		all = append(all, image)
	}
	slices.SortFunc(all, func(a, b ispctl.Image) int {
		return cmp.Or(strings.Compare(string(a.Name), string(b.Name)), b.Built.Compare(a.Built), strings.Compare(a.Digest, b.Digest))
	})
	return all, errors.Join(errs...)
}

// Get finds an image by its digest; the error lists the digests there are.
func (s *Store) Get(ctx context.Context, digest string) (ispctl.Image, error) {
	if !s.has(digest) {
		all, err := s.List(ctx)
		if ctx.Err() != nil {
			return ispctl.Image{}, err
		}
		have := make([]string, len(all))
		for i, image := range all {
			have[i] = image.Digest
		}
		return ispctl.Image{}, ispctl.NotFoundError("image", digest, have)
	}
	image, _, err := s.read(digest)
	if err != nil {
		return ispctl.Image{}, damaged(digest, err)
	}
	return image, nil
}

// Manifest reads what an image says of itself.
func (s *Store) Manifest(digest string) (Manifest, error) {
	if !s.has(digest) {
		return Manifest{}, fs.ErrNotExist
	}
	_, m, err := s.read(digest)
	return m, err
}

// Add makes an image of the file disk.raw, with vmlinuz and initrd.img or
// without both, in a directory of the store's own file system, as [Store.Stage] makes it, which
// becomes the image's directory. It fills in the manifest's Size and SHA256
// itself, and syncs all before the image can be seen. An image of the same
// content is kept as it is and returned, with the time it was first built.
func (s *Store) Add(ctx context.Context, staging string, m Manifest) (ispctl.Image, error) {
	image, err := s.add(ctx, staging, m)
	if err != nil {
		return ispctl.Image{}, &ispctl.Error{Kind: ispctl.KindOf(err), Object: fmt.Sprintf("image %q", m.Name), Cause: "add to the store", Err: err}
	}
	return image, nil
}

func (s *Store) add(ctx context.Context, staging string, m Manifest) (ispctl.Image, error) {
	m, err := m.describe(ctx, staging)
	if err != nil {
		return ispctl.Image{}, err
	}
	return s.place(staging, m)
}

// place makes an image of a directory whose files the manifest describes.
func (s *Store) place(staging string, m Manifest) (ispctl.Image, error) {
	data, digest, err := m.encode()
	if err != nil {
		return ispctl.Image{}, err
	}
	if s.has(digest) {
		image, _, err := s.read(digest)
		return image, err
	}
	built := time.Now().UTC().Truncate(time.Millisecond)
	if err := seal(staging, data, built); err != nil {
		return ispctl.Image{}, err
	}
	err = rename(staging, filepath.Join(s.Dir, digest), unix.RENAME_NOREPLACE)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return ispctl.Image{}, err
	}
	if err := syncDir(s.Dir); err != nil {
		return ispctl.Image{}, err
	}
	image, _, err := s.read(digest)
	return image, err
}

// describe fills in what the files themselves say. Without kernel and initial RAM
// disk, both, it is an image that boots by its disk.
func (m Manifest) describe(ctx context.Context, dir string) (Manifest, error) {
	names := contents[:]
	if !exists(filepath.Join(dir, kernelFile)) && !exists(filepath.Join(dir, initrdFile)) {
		names = contents[:1]
	}
	m.SHA256 = map[string]string{}
	for _, name := range names {
		path := filepath.Join(dir, name)
		st, err := os.Lstat(path)
		if err != nil {
			return m, err
		}
		if !st.Mode().IsRegular() || st.Size() == 0 {
			return m, ispctl.Invalid("file", path, "is empty or no regular file")
		}
		if name == diskFile {
			m.Size = ispctl.Size(st.Size())
		}
		if m.SHA256[name], err = hashFile(ctx, path); err != nil {
			return m, err
		}
	}
	return m, nil
}

// seal puts the manifest beside the files, makes all of them read-only and
// makes them last.
func seal(dir string, manifest []byte, built time.Time) error {
	for name, text := range map[string][]byte{
		manifestFile: manifest,
		builtFile:    []byte(built.Format(time.RFC3339Nano) + "\n"),
	} {
		// One linked from a cache must not be written through.
		if err := ignoreGone(os.Remove(filepath.Join(dir, name))); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o444); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !slices.Contains(contents[:], e.Name()) && e.Name() != manifestFile && e.Name() != builtFile {
			return ispctl.Invalid("file", path, "does not belong in an image")
		}
		// QEMU runs as another user and must read them.
		if err := errors.Join(os.Chmod(path, 0o444), syncFile(path)); err != nil {
			return err
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Remove deletes an image; one that is gone is no error. It does not know who
// uses it: ask the model first.
func (s *Store) Remove(_ context.Context, digest string) error {
	if !s.has(digest) {
		return nil
	}
	// First out of sight as a whole. Half of it would be worse than either.
	gone := filepath.Join(s.Dir, stagePrefix+digest)
	err := os.RemoveAll(gone)
	if err == nil {
		err = ignoreGone(rename(filepath.Join(s.Dir, digest), gone, 0))
	}
	if err == nil {
		err = errors.Join(syncDir(s.Dir), os.RemoveAll(gone))
	}
	if err != nil {
		return &ispctl.Error{Kind: ispctl.Failed, Object: "image " + digest, Cause: "remove", Err: err}
	}
	return nil
}

// Verify reads the whole image and compares it with its manifest, and the
// manifest with its digest. The error names the file that differs.
func (s *Store) Verify(ctx context.Context, digest string) error {
	if _, err := s.Get(ctx, digest); err != nil {
		return err
	}
	_, m, err := s.read(digest)
	if err != nil {
		return damaged(digest, err)
	}
	names, err := m.files()
	if err != nil {
		return damaged(digest, err)
	}
	for _, name := range names {
		sum, err := hashFile(ctx, filepath.Join(s.Dir, digest, name))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return damaged(digest, err)
		}
		if sum != m.SHA256[name] {
			return damaged(digest, fmt.Errorf("the content of %s has changed: sha256 %s, not %s", name, sum, m.SHA256[name]))
		}
	}
	return nil
}

// has reports whether there is an image of that digest; a text that is no
// digest never becomes part of a path.
func (s *Store) has(digest string) bool {
	if !digestPattern.MatchString(digest) {
		return false
	}
	_, err := os.Lstat(filepath.Join(s.Dir, digest))
	return err == nil
}

// read decodes manifest and time, and checks what costs nothing to check.
func (s *Store) read(digest string) (ispctl.Image, Manifest, error) {
	dir := filepath.Join(s.Dir, digest)
	data, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return ispctl.Image{}, Manifest{}, err
	}
	m, err := decodeManifest(data)
	if err != nil {
		return ispctl.Image{}, m, fmt.Errorf("%s: %w", manifestFile, err)
	}
	if _, sum, err := m.encode(); err != nil || sum != digest {
		return ispctl.Image{}, m, errors.Join(err, fmt.Errorf("%s has changed: its sha256 is %s", manifestFile, sum))
	}
	text, err := os.ReadFile(filepath.Join(dir, builtFile))
	if err != nil {
		return ispctl.Image{}, m, err
	}
	built, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(text)))
	if err != nil {
		return ispctl.Image{}, m, err
	}
	names, err := m.files()
	if err != nil {
		return ispctl.Image{}, m, fmt.Errorf("%s: %w", manifestFile, err)
	}
	for _, name := range names {
		st, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			return ispctl.Image{}, m, err
		}
		if name == diskFile && st.Size() != int64(m.Size) {
			return ispctl.Image{}, m, fmt.Errorf("%s has %d bytes, not %d", name, st.Size(), int64(m.Size))
		}
	}
	return ispctl.Image{
		Name: m.Name, Digest: digest, Size: m.Size, Cmdline: m.Cmdline, Built: built, DiskBoot: m.diskBoot(),
	}, m, nil
}

// exists reports whether there is anything of that name.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func damaged(digest string, err error) error {
	return &ispctl.Error{
		Kind: ispctl.Failed, Object: "image " + digest, Cause: "is damaged", Err: err,
		Next: "remove it and build it anew: ispctl image build",
	}
}
