package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// payloadSize is that of the disk a run brings with it. It never changes, since
// a saved memory knows it.
const payloadSize = 2 << 30

// buildTags are those of the Makefile: libvirt is opened at run time.
const buildTags = "-tags=libvirt_dlopen"

// payload is what a run brings with it: binaries, sources, and the script that
// runs them.
type payload struct {
	module   string // its root directory
	dir      string // where the disk's contents are gathered
	packages []Package
	libc     string // version of the machine's
}

// fill compiles the tests and the program, and makes the disk.
func (p payload) fill(ctx context.Context, image, mark string, o Options) error {
	bin := filepath.Join(p.dir, "bin")
	for _, d := range []string{bin, filepath.Join(p.dir, "tmp")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	o.Log(fmt.Sprintf("payload: compile %d packages", len(p.packages)))
	if err := p.compile(ctx, bin); err != nil {
		return err
	}
	if err := p.runnable(bin); err != nil {
		return err
	}
	if err := p.sources(filepath.Join(p.dir, "src")); err != nil {
		return err
	}
	if o.Bring != "" {
		if err := os.CopyFS(filepath.Join(p.dir, "files"), os.DirFS(o.Bring)); err != nil {
			return fmt.Errorf("take along %s: %w", o.Bring, err)
		}
	}
	if err := os.WriteFile(filepath.Join(p.dir, "run"), []byte(p.script(mark, o)), 0o644); err != nil {
		return err
	}
	if err := makeExt4(ctx, image, payloadSize, p.dir, o.Log); err != nil {
		return err
	}
	return os.RemoveAll(p.dir)
}

// compile makes bin/ispctl, and bin/N.test of the Nth package.
func (p payload) compile(ctx context.Context, bin string) error {
	if _, err := os.Stat(filepath.Join(p.module, "cmd/ispctl")); err == nil {
		if err := p.gotool(ctx, "build", "-trimpath", "-o", bin+"/ispctl", "./cmd/ispctl"); err != nil {
			return err
		}
	}
	// One call for all whose names do not collide: go itself links several at
	// once, and reads the module only once.
	for left := p.indices(); len(left) > 0; {
		var rest []int
		batch := map[string]int{}
		for _, i := range left {
			name := path.Base(p.packages[i].Path) + ".test"
			if _, taken := batch[name]; taken {
				rest = append(rest, i)
			} else {
				batch[name] = i
			}
		}
		out := filepath.Join(p.dir, "batch") + "/"
		if err := os.MkdirAll(out, 0o755); err != nil {
			return err
		}
		args := []string{"test", "-c", "-o", out}
		for _, i := range batch {
			args = append(args, p.packages[i].Path)
		}
		if err := p.gotool(ctx, args...); err != nil {
			return err
		}
		for name, i := range batch {
			err := os.Rename(out+name, filepath.Join(bin, testBinary(i)))
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("package %s has no tests", p.packages[i].Path)
			}
			if err != nil {
				return err
			}
		}
		left = rest
	}
	return nil
}

func (p payload) indices() []int {
	all := make([]int, len(p.packages))
	for i := range all {
		all[i] = i
	}
	return all
}

func testBinary(i int) string { return fmt.Sprintf("%d.test", i) }

func (p payload) gotool(ctx context.Context, args ...string) error {
	args = append([]string{args[0], buildTags, "-ldflags=-s -w"}, args[1:]...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = p.module
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], errors.Join(err, ctx.Err()), tail(out.String()))
	}
	return nil
}

// sources copies the module, since a test runs in the directory of its package
// and reads there what it likes.
func (p payload) sources(to string) error {
	return filepath.WalkDir(p.module, func(name string, d fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(strings.TrimPrefix(name, p.module), "/")
		switch {
		case err != nil:
			return err
		case d.IsDir() && (rel == ".git" || rel == "bin"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // an editor's temporary file
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, info.Mode().Perm())
	})
}

// script is what process 1 runs when it has mounted the disk. What it prints
// goes to the second serial port: lines with the mark are for us, what is
// between two of them is the output of a test binary.
func (p payload) script(mark string, o Options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "export ISPCTL_LAB=1 ISPCTL_LAB_FILES=/payload/files TMPDIR=/payload/tmp PATH=/payload/bin:$PATH\n")
	fmt.Fprintf(&b, "echo '%s begin' $(uname -r)\n", mark)
	for i, pkg := range p.packages {
		argv := []string{
			"/payload/bin/" + testBinary(i), "-test.v=test2json", "-test.paniconexit0",
			"-test.timeout=" + o.Timeout.String(), "-test.count=1",
		}
		if pkg.Run != "" {
			argv = append(argv, "-test.run="+pkg.Run)
		}
		if len(pkg.Skip) > 0 {
			argv = append(argv, "-test.skip=^("+strings.Join(pkg.Skip, "|")+")$")
		}
		if o.Short {
			argv = append(argv, "-test.short")
		}
		for i := range argv {
			argv[i] = quote(argv[i])
		}
		fmt.Fprintf(&b, "cd %s\n", quote(path.Join("/payload/src", pkg.dir)))
		fmt.Fprintf(&b, "echo '%s start %d'\n%s\nprintf '\\n%%s %%s\\n' '%s end %d' $?\n", mark, i, strings.Join(argv, " "), mark, i)
	}
	fmt.Fprintf(&b, "echo '%s done'\n", mark)
	return b.String()
}
