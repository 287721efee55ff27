// Package testkit is what tests of several packages share: network namespaces
// of their own, probes for what a kernel can do, goldens.
package testkit

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// NetNS moves the test into a new, empty network namespace for the rest of its
// life. Sockets it opens and programs it runs are in there; subtests and
// goroutines it starts are not, so call it in each. It is skipped, and counted,
// where the caller is not root.
func NetNS(t testing.TB) {
	t.Helper()
	Need(t, Root)
	// Never unlocked: the thread dies with the test's goroutine, and the
	// namespace with its last thread and socket.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("new network namespace: %v", err)
	}
	Sh(t, "ip", "link", "set", "lo", "up")
}

// Sh runs a program, fails the test unless it succeeds, and returns what it
// printed.
func Sh(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// Feature is something a test needs of the machine. The probe tries it; it
// does not look for names or versions.
type Feature struct {
	Name  string
	Probe func() error
}

// Root is the right to change networks.
var Root = Feature{"root", func() error {
	if os.Geteuid() != 0 {
		return os.ErrPermission
	}
	return nil
}}

// LabEnv names the environment variable that, when set, makes a missing feature
// a failure: in the lab, where all of them are promised, no test may hide by not
// running.
const LabEnv = "ISPCTL_LAB"

// Need skips the test, with a reason that is counted at the end of `make
// test`, where the machine lacks a feature.
func Need(t testing.TB, features ...Feature) {
	t.Helper()
	for _, f := range features {
		err := f.Probe()
		if err == nil {
			continue
		}
		if os.Getenv(LabEnv) != "" {
			t.Fatalf("needs %s, which the lab promises: %v", f.Name, err)
		}
		t.Skipf("needs %s: %v", f.Name, err)
	}
}
