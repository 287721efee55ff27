package testkit

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// tried is a feature that is there if a script of sh(1) succeeds in a network
// namespace of its own.
func tried(name, script string) Feature {
	return Feature{name, func() error {
		if err := Root.Probe(); err != nil {
			return err
		}
		tried := make(chan error)
		go func() {
			// Never unlocked: the namespace ends with the thread.
			runtime.LockOSThread()
			tried <- try(script)
		}()
		return <-tried
	}}
}

func try(script string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("new network namespace: %w", err)
	}
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}
