package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ispctl/internal/testkit"
)

const testdata = "ispctl/integration/lab/testdata/"

// ownCache is a cache that shares only the system with the real one: what a
// test does to saved memories harms nobody.
func ownCache(t *testing.T) (Options, system) {
	t.Helper()
	testkit.Need(t, testkit.Root)
	o := Options{CacheDir: CacheDir(), Mirror: Archive, Log: func(line string) { t.Log(line) }}
	if err := os.MkdirAll(o.CacheDir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := built(t.Context(), Debian12(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.CacheDir = t.TempDir()
	own := filepath.Join(o.CacheDir, filepath.Base(s.dir))
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Symlink(s.file(e.Name()), filepath.Join(own, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { nothingLeft(t, o.CacheDir) })
	return o, system{s.flavour, own, s.manifest}
}

// nothingLeft looks for directories of runs, and for processes of theirs.
func nothingLeft(t *testing.T, cache string) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(cache, runPattern)); len(left) > 0 {
		t.Errorf("directories are left: %v", left)
	}
	if left := processes(t, cache); len(left) > 0 {
		t.Errorf("processes are left: %q", left)
	}
}

// processes are those that have a text in their command line.
func processes(t *testing.T, text string) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range all {
		line, _ := os.ReadFile(name) // it may have ended
		if bytes.Contains(line, []byte(text)) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// TestOutcomes holds what comes out of the machine against go test itself. The
// mirror is down, so the system comes from the cache; the saved memory is
// damaged, so the machine boots, and leaves a good one.
func TestOutcomes(t *testing.T) {
	testkit.Long(t, "30 s")
	o, s := ownCache(t)
	memory, err := (&run{flavour: Debian12(), system: s}).statePath(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(memory); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(memory, []byte("no memory at all"), 0o644); err != nil {
		t.Fatal(err)
	}
	var events bytes.Buffer
	o.JSON, o.Mirror = &events, "http://127.0.0.1:1/debian"
	packages := []Package{{Path: testdata + "outcomes"}, {Path: testdata + "crash"}, {Path: testdata + "hang", Run: "Nonsense"}}
	r, err := Run(t.Context(), Debian12(), packages, o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(actions(t, goTest(t, packages)), actions(t, &events)); diff != "" {
		t.Errorf("events (-go test +lab):\n%s", diff)
	}
	for _, test := range r.Tests {
		if test.Name == "TestLast" && !strings.Contains(test.Output, "no end of line--- PASS") {
			t.Errorf("output of TestLast: %q", test.Output)
		}
		if test.Name == "TestPass/sub" && !strings.Contains(test.Output, "empty lines\n\n\n") {
			t.Errorf("output of TestPass/sub: %q", test.Output)
		}
	}
	err = r.Err()
	for _, want := range []string{"outcomes TestSkip: skip", "because", "outcomes TestFail: fail", "boom", "crash TestPanic: fail", "panic: at the disco", "hang: no test was run"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if r.Resumed {
		t.Error("it went on from a damaged memory")
	}
	if st, err := os.Stat(memory); !r.KVM && (err != nil || st.Size() < 1<<20) {
		t.Errorf("the memory was not made anew: %v, %v", st, err)
	}
}

// goTest is the oracle.
func goTest(t *testing.T, packages []Package) *bytes.Buffer {
	t.Helper()
	var all bytes.Buffer
	for _, p := range packages {
		out, err := exec.Command("go", "test", "-json", "-count=1", "-run", p.Run, p.Path).Output()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		all.Write(out)
	}
	return &all
}

func actions(t *testing.T, events *bytes.Buffer) []string {
	t.Helper()
	var all []string
	lines := bufio.NewScanner(events)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if e.Action != "output" {
			all = append(all, e.Package+" "+e.Test+" "+e.Action)
		}
	}
	return all
}

// TestHang ends a machine in which nothing goes on.
func TestHang(t *testing.T) {
	testkit.Long(t, "30 s")
	o, _ := ownCache(t)
	o.Timeout = 10 * time.Second
	r, err := Run(t.Context(), Debian12(), []Package{{Path: testdata + "hang"}}, o)
	for _, want := range []string{"lab debian-12: in ispctl/integration/lab/testdata/hang: not done after 15s", "last on the console:", "about to hang"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if i := slices.IndexFunc(r.Tests, func(t Test) bool { return t.Name == "TestBefore" && t.Outcome == Pass }); i < 0 {
		t.Errorf("the test that had passed is not in the result: %v", r.Tests)
	}
	if r.Err() == nil {
		t.Error("the package that hung is no failure")
	}
	if log, err := os.ReadFile(r.Console); err != nil || !strings.Contains(string(log), "about to hang") {
		t.Errorf("console log %q: %v\n%s", r.Console, err, log)
	}
}

// TestSecondTry ends the machine from outside, and once, when it has booted and
// waits for the word to go on: the second one does all of it.
func TestSecondTry(t *testing.T) {
	testkit.Long(t, "1 min")
	if kvmUsable() {
		t.Skip("under KVM no memory is saved, which is the moment that this needs")
	}
	o, s := ownCache(t)
	memory, err := (&run{flavour: Debian12(), system: s}).statePath(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(memory); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var events bytes.Buffer
	again := ""
	o.JSON = &events
	o.Log = func(line string) {
		t.Log(line)
		if strings.HasPrefix(line, "machine: once more") {
			again = line
		}
		if strings.HasPrefix(line, "machine: save its memory") && again == "" {
			endMachine(t, o.CacheDir)
		}
	}
	packages := []Package{{Path: testdata + "outcomes", Run: "TestPass"}}
	r, err := RunTwice(t.Context(), Debian12(), packages, o)
	if err != nil || r.Err() != nil || !r.Again || r.Resumed {
		t.Errorf("%v: %v, %v", r, err, r.Err())
	}
	if diff := cmp.Diff(actions(t, goTest(t, packages)), actions(t, &events)); diff != "" {
		t.Errorf("events (-go test +lab):\n%s", diff)
	}
	if !strings.HasPrefix(again, "machine: once more, from a cold boot: lab debian-12: ") {
		t.Errorf("it does not say why: %q", again)
	}
}

// endMachine ends the QEMU whose command line has a directory in it.
func endMachine(t *testing.T, dir string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		line, _ := os.ReadFile(name) // it may have ended
		var pid int
		if _, err := fmt.Sscanf(name, "/proc/%d/", &pid); err == nil && bytes.HasPrefix(line, []byte(qemu)) && bytes.Contains(line, []byte(dir)) {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestCancel ends with the context, wherever the machine is.
func TestCancel(t *testing.T) {
	testkit.Long(t, "30 s")
	o, _ := ownCache(t)
	ctx, cancel := context.WithCancel(t.Context())
	o.Log = func(line string) {
		t.Log(line)
		if strings.HasPrefix(line, "test ") {
			cancel()
		}
	}
	if _, err := Run(ctx, Debian12(), []Package{{Path: testdata + "hang"}}, o); !errors.Is(err, context.Canceled) {
		t.Errorf("want that it was cancelled, have: %v", err)
	}
}

// TestKernelPanics reports a machine that ends too early with the reason.
func TestKernelPanics(t *testing.T) {
	testkit.Long(t, "30 s")
	o, _ := ownCache(t)
	_, err := Run(t.Context(), Debian12(), []Package{{Path: testdata + "oops"}}, o)
	for _, want := range []string{"in ispctl/integration/lab/testdata/oops: the machine has ended", "sysrq triggered crash"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

// TestKilled kills the command with no chance to tidy up. Its machine ends with
// it, and its directory goes with the next run.
func TestKilled(t *testing.T) {
	testkit.Long(t, "30 s")
	o, _ := ownCache(t)
	program := filepath.Join(t.TempDir(), "labrun")
	testkit.Sh(t, "go", "build", "-o", program, "./labrun")
	cmd := exec.Command(program, testdata+"hang")
	cmd.Env = append(os.Environ(), "ISPCTL_CACHE="+o.CacheDir+"/images") // so that lab is beside it
	if err := os.Symlink(o.CacheDir, filepath.Join(o.CacheDir, "lab")); err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StderrPipe() // its events are held until it knows that there is no second try
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() && !strings.Contains(lines.Text(), " test ") {
	}
	if len(processes(t, o.CacheDir)) == 0 {
		t.Error("there is no machine to begin with")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	for range 100 {
		if len(processes(t, o.CacheDir)) == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	left, err := filepath.Glob(filepath.Join(o.CacheDir, runPattern))
	if err != nil || len(left) != 1 {
		t.Fatalf("directories: %v, %v", left, err)
	}
	sweep(o.CacheDir)
	if _, err := os.Stat(left[0]); err != nil {
		t.Errorf("a directory this young may be about to be locked: %v", err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(left[0], old, old); err != nil {
		t.Fatal(err)
	}
	sweep(o.CacheDir)
}
