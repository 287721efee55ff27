package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// system is a flavour that was built: a directory with these files. It is never
// changed; only saved memories are added to it.
type system struct {
	flavour  Flavour
	dir      string
	manifest manifest
}

const (
	kernelFile   = "vmlinuz"
	initrdFile   = "initrd.img"
	rootFile     = "root.img"
	xenFile      = "xen" // empty where there is none
	packagesFile = "packages"
	manifestFile = "manifest.json"
)

var systemContents = [...]string{kernelFile, initrdFile, rootFile, xenFile, packagesFile}

// manifest says what was built, and how each file's contents are told from
// damaged ones.
type manifest struct {
	Flavour string
	Kernel  string // its release, as uname(1) prints it
	Libc    string // version of the package libc6
	SHA256  map[string]string
}

// built returns the system of a flavour out of the cache, or builds it.
func built(ctx context.Context, f Flavour, o Options) (system, error) {
	hash, err := f.hash()
	if err != nil {
		return system{}, err
	}
	// Another process that needs the same thing waits, and finds it done.
	lock := flock.New(filepath.Join(o.CacheDir, f.Name+".lock"))
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return system{}, fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	defer func() { _ = lock.Close() }()
	dir := filepath.Join(o.CacheDir, f.Name+"-"+hash[:16])
	s, err := openSystem(f, dir)
	if err == nil {
		o.Log("system: found in the cache: " + dir)
		return s, s.used()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		o.Log(fmt.Sprintf("system: build anew: %v", err))
	}
	if err := needs(buildPrograms[:]...); err != nil {
		return system{}, err
	}
	if err := needsSpace(o.CacheDir, buildSpace); err != nil {
		return system{}, err
	}
	if err := build(ctx, f, o, dir); err != nil {
		return system{}, fmt.Errorf("build the system (there is none in the cache, %s): %w", dir, err)
	}
	forget(o.CacheDir, f)
	return openSystem(f, dir)
}

// openSystem checks every file against the manifest.
func openSystem(f Flavour, dir string) (system, error) {
	data, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return system{}, err
	}
	s := system{flavour: f, dir: dir}
	if err := json.Unmarshal(data, &s.manifest); err != nil {
		return system{}, fmt.Errorf("%s: %w", dir, err)
	}
	for _, name := range systemContents {
		sum, err := fileSum(filepath.Join(dir, name))
		if err != nil {
			return system{}, err
		}
		if sum != s.manifest.SHA256[name] {
			return system{}, fmt.Errorf("%s: the file has changed", filepath.Join(dir, name))
		}
	}
	return s, nil
}

func (s system) file(name string) string { return filepath.Join(s.dir, name) }

// build makes the directory of a system, beside its place first.
func build(ctx context.Context, f Flavour, o Options, dir string) (err error) {
	out := dir + ".new" // one at a time: the caller has the lock
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(out)) }()
	root, work, recipe := filepath.Join(out, "work/root"), filepath.Join(out, "work"), filepath.Join(out, "work/system")
	for _, d := range []string{root, filepath.Join(work, "tmp"), recipe} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	files, err := fs.Sub(systemFiles, "system")
	if err != nil {
		return err
	}
	if err := os.CopyFS(recipe, files); err != nil {
		return err
	}
	run := func(argv ...string) error {
		o.Log("system: " + argv[0])
		return command{argv: argv, env: append(f.env(), "TMPDIR="+filepath.Join(work, "tmp"))}.run(ctx)
	}
	argv := []string{
		"mmdebstrap", "--mode=root", "--format=directory", "--variant=essential", "--include=" + strings.Join(f.Packages, ","),
		// Speed instead of safety in a power cut; no manuals. Dpkg is told of them
		// when it is there: mmdebstrap itself would filter each package with a
		// program of its own.
		"--dpkgopt=force-unsafe-io",
		`--essential-hook=printf 'path-exclude=/usr/share/%s/*\n' man doc locale >"$1/etc/dpkg/dpkg.cfg.d/lab"; rm -rf "$1"/usr/share/man/* "$1"/usr/share/doc/* "$1"/usr/share/locale/*`,
		"--customize-hook=sh '" + recipe + "/build.sh' '" + out + "' '" + recipe + `' "$1"`,
		f.Suite, root,
	}
	if err := run(append(argv, f.sources(o.Mirror)...)...); err != nil {
		return fmt.Errorf("packages of %s: %w", f.Suite, err)
	}
	if err := makeExt4(ctx, out+"/"+rootFile, rootSize, root, o.Log); err != nil {
		return err
	}
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	if err := describe(f, out); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(out, dir)
}

// rootSize is that of the root file system. It is sparse: what it holds takes a
// third of it.
const rootSize = 1 << 30

// makeExt4 makes an image of a file system out of a directory. It needs no
// journal: nobody mounts it again after a crash.
func makeExt4(ctx context.Context, image string, size int64, from string, log func(string)) error {
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return err
	}
	log("mke2fs " + filepath.Base(image))
	return command{argv: []string{
		"mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-b", "4096", "-i", "16384", "-m", "0", "-d", from,
		"-E", "assume_storage_prezeroed=1,nodiscard", image,
	}}.run(ctx)
}

// describe writes the manifest of what is in a directory.
func describe(f Flavour, dir string) error {
	packages, err := os.ReadFile(filepath.Join(dir, packagesFile))
	if err != nil {
		return err
	}
	m := manifest{Flavour: f.Name, SHA256: map[string]string{}}
	for line := range bytes.Lines(packages) {
		name, version, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		switch name {
		case "kernel":
			m.Kernel = version
		case "libc6":
			m.Libc = version
		}
	}
	for _, name := range systemContents {
		if m.SHA256[name], err = fileSum(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, manifestFile), append(data, '\n'), 0o644)
}

func fileSum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
