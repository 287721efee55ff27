// Package netns makes, enters and removes named network namespaces, the ones
// `ip netns` shows (ip-netns(8)).
package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// Dir is where named namespaces are, as ip-netns(8) has it.
const Dir = "/run/netns"

// Path is the file that holds the namespace.
func Path(name string) string { return filepath.Join(Dir, name) }

// Exists reports whether there is a namespace of that name.
func Exists(name string) bool {
	var st unix.Statfs_t
	const nsfsMagic = 0x6e736673
	return unix.Statfs(Path(name), &st) == nil && int64(st.Type) == nsfsMagic
}

// Create makes a named namespace, and brings its loopback up. One that is
// there already is left as it is.
func Create(name string) error {
	if Exists(name) {
		return nil
	}
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		return fmt.Errorf("make network namespace %s: %w: %s", name, err, out)
	}
	if out, err := exec.Command("ip", "-n", name, "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("network namespace %s: bring lo up: %w: %s", name, err, out)
	}
	return nil
}

// Delete removes a named namespace; one that is gone is no error. The kernel
// keeps the namespace itself for as long as a process is in it.
func Delete(name string) error {
	if err := unix.Unmount(Path(name), unix.MNT_DETACH); err != nil &&
		!errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount network namespace %s: %w", name, err)
	}
	if err := os.Remove(Path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove network namespace %s: %w", name, err)
	}
	return nil
}

// Set moves the calling thread into the namespace. The thread must be locked
// to its goroutine; it stays there.
func Set(name string) error {
	f, err := os.Open(Path(name))
	if err != nil {
		return fmt.Errorf("open network namespace %s: %w", name, err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", name, err)
	}
	return nil
}

// Do runs fn on a thread of its own inside the namespace. What fn opens, and
// the processes it starts, live there; goroutines that fn starts do not.
func Do(name string, fn func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread is in a namespace nobody else expects
		// and ends with this goroutine.
		runtime.LockOSThread()
		if err := Set(name); err != nil {
			done <- err
			return
		}
		done <- fn()
	}()
	return <-done
}
