package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"

	"ispctl"
)

// MirrorEnv is the environment variable that names a mirror of the Debian
// archive for builds; what calls [Build] reads it.
const MirrorEnv = "ISPCTL_MIRROR"

// BuildOptions steer a build.
type BuildOptions struct {
	Name     ispctl.Name // of the image; empty: the recipe's
	Release  string      // of Debian, by its code name; empty: the recipe's
	Packages []string    // besides the recipe's
	Xen      bool        // for guests on Xen, and on others all the same

	// Mirror is the URI of a Debian archive, `http://host/debian`; security
	// updates come from the same with `-security` at its end. Empty: where
	// the host gets that release from, else deb.debian.org.
	Mirror string
	// CacheDir, if not empty, keeps what was built: a later build of the
	// same recipe from the same mirror is a copy, without newer packages.
	CacheDir string
	// Progress, if set, is told of every step and of every line that the
	// programs print. It must return at once.
	Progress func(Event)
}

// Event is a sign of life of a build.
type Event struct {
	Phase   string // packages, kernel, filesystem or store
	Message string
	Done    int64 // steps that are done ...
	Total   int64 // ... of so many
}

// The phases of a build.
const (
	PhasePackages   = "packages"
	PhaseKernel     = "kernel"
	PhaseFilesystem = "filesystem"
	PhaseStore      = "store"
)

// programs are what a build runs, and the Debian packages that have them.
var programs = [...]struct{ name, pkg string }{
	{"mmdebstrap", "mmdebstrap"}, {"mke2fs", "e2fsprogs"}, {"chroot", "coreutils"},
}

// Build makes an image by its recipe and adds it to the store. It takes root
// and a Debian mirror, some ten seconds to a minute, and no loop device, no
// KVM. When ctx ends, so do all programs it has started; what a killed build
// leaves, the next one removes. It never uses packages without a valid
// signature. Errors of kind [ispctl.Permission]: not root; [ispctl.Failed]: a
// program is missing (named with its package) or failed (with what it said).
func Build(ctx context.Context, s *Store, r Recipe, o BuildOptions) (ispctl.Image, error) {
	image, err := build(ctx, s, r, o)
	if err != nil {
		return ispctl.Image{}, fmt.Errorf("build image %s: %w", r.Name, err)
	}
	return image, nil
}

func build(ctx context.Context, s *Store, r Recipe, o BuildOptions) (ispctl.Image, error) {
	r, err := r.with(o)
	if err != nil {
		return ispctl.Image{}, err
	}
	host, err := hostSources("/etc/apt")
	if err != nil {
		return ispctl.Image{}, err
	}
	src := sources(r.Suite, o.Mirror, host)
	hash, err := r.hash(src)
	if err != nil {
		return ispctl.Image{}, err
	}
	stage, err := s.Stage()
	if err != nil {
		return ispctl.Image{}, err
	}
	defer stage.Close()
	b := &builder{
		recipe: r, sources: src, stage: stage.Dir, progress: o.Progress,
		manifest: Manifest{Name: cmp.Or(r.As, r.Name), Cmdline: r.Cmdline, Recipe: hash},
	}
	cache := cache{dir: o.CacheDir, key: hash}
	if m, ok := cache.fetch(ctx, stage.Dir); ok {
		b.step(PhaseStore, "found in the cache")
		return s.place(stage.Dir, m)
	}
	if err := ready(); err != nil {
		return ispctl.Image{}, err
	}
	if err := b.make(ctx); err != nil {
		return ispctl.Image{}, err
	}
	b.step(PhaseStore, "add to "+s.Dir)
	image, err := s.Add(ctx, stage.Dir, b.manifest)
	if err != nil {
		return ispctl.Image{}, err
	}
	return image, cache.keep(filepath.Join(s.Dir, image.Digest))
}

// ready checks what a build needs of the host before it starts one.
func ready() error {
	if os.Geteuid() != 0 {
		return &ispctl.Error{Kind: ispctl.Permission, Cause: "only root can build images: their files belong to root"}
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p.name); err != nil {
			return missingTool(p.name, p.pkg)
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return &ispctl.Error{
			Kind: ispctl.Failed, Object: "keyring " + keyring, Cause: "cannot be read", Err: err,
			Next: "apt-get install debian-archive-keyring",
		}
	}
	return nil
}

// builder is one build under way, in the directory of its stage.
type builder struct {
	recipe   Recipe
	manifest Manifest
	sources  []string
	stage    string
	progress func(Event)
	done     int64
}

// The work directories, inside the stage, so that they go with it.
func (b *builder) work(elem ...string) string {
	return filepath.Join(append([]string{b.stage, "work"}, elem...)...)
}
func (b *builder) packages() string { return b.work("packages") }
func (b *builder) root() string     { return b.work("root") }

// steps is how often make, and build around it, call step.
const steps = 5

func (b *builder) step(phase, message string) {
	b.tell(phase, message)
	b.done++
}

func (b *builder) tell(phase, message string) {
	if b.progress != nil {
		b.progress(Event{Phase: phase, Message: message, Done: b.done, Total: steps})
	}
}

// make fills the stage with the three files of the image.
func (b *builder) make(ctx context.Context) error {
	for _, dir := range []string{b.work(), b.root(), b.work("tmp")} {
		if err := makeDirs(dir, 0o755); err != nil {
			return err
		}
	}
	b.step(PhasePackages, "unpack the kernel and its tools")
	unpacked := []string{kernelPackage, busyboxPackage}
	if !b.recipe.Install {
		unpacked = append(unpacked, b.recipe.Packages...)
	}
	if err := b.mmdebstrap(ctx, "extract", unpacked, b.packages()); err != nil {
		return err
	}
	if b.recipe.Install {
		b.step(PhasePackages, "install packages")
		if err := b.mmdebstrap(ctx, "minbase", b.recipe.Packages, b.root()); err != nil {
			return err
		}
	}
	b.step(PhaseKernel, "take the kernel out and make its initial RAM disk")
	if err := b.kernel(); err != nil {
		return err
	}
	b.step(PhaseFilesystem, "assemble the root file system")
	if err := b.assemble(ctx); err != nil {
		return err
	}
	if err := b.filesystem(ctx); err != nil {
		return err
	}
	return os.RemoveAll(b.work())
}

// run runs a program and passes on what it prints.
func (b *builder) run(ctx context.Context, phase string, argv ...string) error {
	return command{
		argv: argv,
		env:  []string{"TMPDIR=" + b.work("tmp"), "E2FSPROGS_FAKE_TIME=" + epoch},
		line: func(line string) { b.tell(phase, line) },
	}.run(ctx)
}

func (b *builder) mmdebstrap(ctx context.Context, variant string, packages []string, dir string) error {
	argv := []string{"mmdebstrap", "--mode=root", "--format=directory", "--variant=" + variant}
	for _, p := range packages {
		argv = append(argv, "--include="+p)
	}
	argv = append(argv, b.recipe.Suite, dir)
	return b.run(ctx, PhasePackages, append(argv, b.sources...)...)
}

// kernel puts vmlinuz and initrd.img into the stage.
func (b *builder) kernel() error {
	found, err := filepath.Glob(filepath.Join(b.packages(), "boot/vmlinuz-*"))
	if err != nil || len(found) != 1 {
		return errors.Join(err, fmt.Errorf("package %s has %d kernels, not one", kernelPackage, len(found)))
	}
	if err := copyFile(found[0], filepath.Join(b.stage, kernelFile)); err != nil {
		return err
	}
	initrd, err := initramfs(b.packages(), b.recipe)
	if err != nil {
		return fmt.Errorf("initial RAM disk: %w", err)
	}
	return os.WriteFile(filepath.Join(b.stage, initrdFile), initrd, 0o644)
}

// assemble runs the recipe's script over what was installed or unpacked.
func (b *builder) assemble(ctx context.Context) error {
	recipe := b.work("recipe")
	from := path.Join("recipes", b.recipe.files())
	err := fs.WalkDir(recipeFiles, from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(recipe, filepath.FromSlash(name[len(from):]))
		if d.IsDir() {
			return makeDirs(to, 0o755)
		}
		data, err := recipeFiles.ReadFile(name)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(to, data, 0o644), os.Chmod(to, 0o644))
	})
	if err != nil {
		return err
	}
	return b.run(ctx, PhaseFilesystem, "sh", filepath.Join(recipe, "build.sh"), b.packages(), b.root(), recipe, b.recipe.Suite)
}

// filesystemID is the UUID and the hash seed of every root file system: what
// mounts it goes by /dev/vda, and a chosen one makes builds alike.
const filesystemID = "1b4c9a52-7d0e-4c1e-9f6e-5a8a3e0d1c2b"

// filesystem makes disk.raw, a bare ext4 without partitions, out of the root.
func (b *builder) filesystem(ctx context.Context) error {
	disk := filepath.Join(b.stage, diskFile)
	f, err := os.Create(disk)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(int64(b.recipe.Size)), f.Close()); err != nil {
		return err
	}
	return b.run(ctx, PhaseFilesystem, "mke2fs", "-q", "-F", "-t", "ext4", "-d", b.root(), "-L", "root", "-U", filesystemID,
		"-b", "4096", "-i", "16384", "-m", "0",
		// A fresh sparse file reads as zeros: writing them would only make it large.
		"-E", "hash_seed="+filesystemID+",assume_storage_prezeroed=1,nodiscard", disk)
}
