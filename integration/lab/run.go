package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Package is a package whose tests are run.
type Package struct {
	Path string   // import path
	Run  string   // of go test -run; empty: all tests
	Skip []string // names of tests to leave out
	dir  string   // from the module's root; found by Run

	names, rare []string // of KernelRing: the tests, and those that Core keeps besides others
}

// Options steer a run. The zero value will do.
type Options struct {
	CacheDir string        // empty: see [CacheDir]
	Mirror   string        // of the Debian archive; empty: deb.debian.org
	Timeout  time.Duration // of the tests, all together; 0: 10 minutes
	Short    bool          // as of go test -short
	Bring    string        // a directory to take along: tests find it by the variable ISPCTL_LAB_FILES
	Boot     bool          // boot, even where a saved memory would be quicker
	JSON     io.Writer     // given the events of go test -json as they come
	Log      func(string)  // told of every step
}

// CacheDir is where systems are kept: beside the directory that the environment
// variable ISPCTL_CACHE names, else /var/cache/ispctl/lab.
func CacheDir() string {
	if images := os.Getenv("ISPCTL_CACHE"); images != "" {
		return filepath.Join(filepath.Dir(filepath.Clean(images)), "lab")
	}
	return "/var/cache/ispctl/lab"
}

// bootTime is how long a machine may take to boot, to save its memory or read
// it, and to begin. Ten times and more what was measured without KVM: it may have
// to share the processor with a dozen others.
const bootTime = 20 * time.Minute

// Run boots a flavour, runs the tests of packages in it and returns what came
// of them. Tests that fail are no error; a machine that hangs, or that ends too
// early, is one: with the last lines of its console. The packages are those of
// the module that the working directory is in.
func Run(ctx context.Context, f Flavour, packages []Package, o Options) (Result, error) {
	o = o.complete()
	r := run{flavour: f, packages: packages, o: o, result: Result{Flavour: f.Name, KVM: kvmUsable() && !f.Xen}}
	if err := r.do(ctx); err != nil {
		return r.result, fmt.Errorf("lab %s: %w", f.Name, err)
	}
	return r.result, nil
}

// Build makes the system of a flavour unless it is in the cache, and returns its
// directory.
func Build(ctx context.Context, f Flavour, o Options) (dir string, err error) {
	o = o.complete()
	if os.Geteuid() != 0 {
		return "", errNotRoot
	}
	if err := os.MkdirAll(o.CacheDir, 0o755); err != nil {
		return "", err
	}
	s, err := built(ctx, f, o)
	return s.dir, err
}

var errNotRoot = errors.New("only root can build the machine's files, which belong to root")

// complete puts in what was not said.
func (o Options) complete() Options {
	if o.CacheDir == "" {
		o.CacheDir = CacheDir()
	}
	if o.Mirror == "" {
		o.Mirror = Archive
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Minute
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	return o
}

// run is one call of [Run].
type run struct {
	flavour  Flavour
	packages []Package
	o        Options
	result   Result

	system    system
	dir       string // gone at the end
	mark      string // no test prints that
	test2json string
}

func (r *run) do(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	if len(r.packages) == 0 {
		return errors.New("there are no packages to test")
	}
	if err := needs(runPrograms[:]...); err != nil {
		return err
	}
	if err := os.MkdirAll(r.o.CacheDir, 0o755); err != nil {
		return err
	}
	sweep(r.o.CacheDir)
	lap := time.Now()
	done := func(d *time.Duration) { *d, lap = time.Since(lap).Round(time.Millisecond), time.Now() }
	var err error
	if r.system, err = built(ctx, r.flavour, r.o); err != nil {
		return err
	}
	done(&r.result.Build)
	if err := needsSpace(r.o.CacheDir, runSpace); err != nil {
		return err
	}
	release, err := r.directory()
	if err != nil {
		return err
	}
	defer release()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	done(&r.result.Compile)

	ctx, cancel := context.WithTimeoutCause(ctx, r.o.Timeout+bootTime, fmt.Errorf("not done after %v", r.o.Timeout+bootTime))
	defer cancel()
	defer r.keepConsole()
	m, err := r.machine(ctx)
	if err != nil {
		return &machineFault{err}
	}
	done(&r.result.Boot)
	defer done(&r.result.Run)
	defer m.while(ctx)()
	if err := r.follow(m); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return &machineFault{m.explain(err)}
	}
	m.close()
	return nil
}

// prepare finds the packages in the module and fills the payload's disk.
func (r *run) prepare(ctx context.Context) error {
	module, err := goOutput(ctx, "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return err
	}
	if r.test2json, err = goOutput(ctx, "tool", "-n", "test2json"); err != nil {
		return err
	}
	args := []string{"list", buildTags, "-f", "{{.Dir}}"}
	for _, p := range r.packages {
		args = append(args, p.Path)
	}
	dirs, err := goOutput(ctx, args...)
	if err != nil {
		return err
	}
	for i, dir := range strings.Split(dirs, "\n") {
		rel, err := filepath.Rel(module, dir)
		if err != nil || i >= len(r.packages) {
			return errors.Join(err, fmt.Errorf("%s: %d packages were asked for", dirs, len(r.packages)))
		}
		r.packages[i].dir = rel
	}
	p := payload{module: module, dir: filepath.Join(r.dir, "payload"), packages: r.packages, libc: r.system.manifest.Libc}
	return p.fill(ctx, filepath.Join(r.dir, payloadFile), r.mark, r.o)
}

func goOutput(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, tail(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// machine goes on from saved memory, or boots and saves it. It returns when
// the machine has begun with the payload.
func (r *run) machine(ctx context.Context) (*machine, error) {
	state, err := r.statePath(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(state); err == nil && !r.o.Boot && !r.result.KVM {
		r.o.Log("machine: go on from " + state)
		m, err := r.resume(ctx, state)
		if err == nil {
			r.result.Resumed = true
			return m, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		// Whatever is wrong with it: the next one is made below.
		r.o.Log(fmt.Sprintf("machine: boot instead: %v", err))
		if err := os.Remove(state); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	r.o.Log("machine: boot " + r.system.manifest.Kernel)
	if r.result.KVM {
		return r.begin(ctx, "", "")
	}
	return r.begin(ctx, "", state)
}

// resume goes on from saved memory. QEMU waits forever for the rest of a
// damaged one, so it is read through before.
func (r *run) resume(ctx context.Context, state string) (*machine, error) {
	if out, err := exec.CommandContext(ctx, "sh", "-c", "zstd -tq <"+quote(state)).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", state, err, tail(string(out)))
	}
	return r.begin(ctx, state, "")
}

// begin starts a machine and hands over.
func (r *run) begin(ctx context.Context, from, saveTo string) (*machine, error) {
	m, err := start(r.system, r.result.KVM, r.dir, from)
	if err != nil {
		return nil, err
	}
	defer m.while(ctx)()
	begin := func() error {
		if from != "" {
			if err := m.resume(); err != nil {
				return err
			}
		} else if err := m.ready(bootTime); err != nil {
			return err
		}
		if saveTo != "" {
			r.o.Log("machine: save its memory: " + saveTo)
			if err := m.save(); err != nil {
				return err
			}
		}
		if err := m.tell(fmt.Sprintf("go %d.%09d %s", time.Now().Unix(), time.Now().Nanosecond(), rand.Text())); err != nil {
			return err
		}
		line, err := m.line(bootTime)
		if err != nil {
			return fmt.Errorf("it does not begin with the tests: %w", err)
		}
		kernel, ok := strings.CutPrefix(strings.TrimSpace(line), r.mark+" begin ")
		if !ok {
			return fmt.Errorf("it begins with %q", line)
		}
		r.result.Kernel = kernel
		if saveTo == "" {
			return nil
		}
		// Only one that has shown its worth gets the name.
		return os.Rename(filepath.Join(r.dir, stateFile), saveTo)
	}
	if err := begin(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, m.explain(err)
	}
	return m, nil
}

// statePath is where the memory of such a machine is kept: of this QEMU, with
// this command line, on this system.
func (r *run) statePath(ctx context.Context) (string, error) {
	version, err := exec.CommandContext(ctx, qemu, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", qemu, err)
	}
	sum := sha256.Sum256([]byte(string(version) + strings.Join(r.flavour.hardware(false), "\n") + fmt.Sprint(payloadSize)))
	return r.system.file("memory-" + hex.EncodeToString(sum[:8]) + ".zst"), nil
}
