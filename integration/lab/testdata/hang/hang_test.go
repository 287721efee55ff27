// Package hang stops, so that even the time-out of its test binary does not come.
package hang

import (
	"os"
	"syscall"
	"testing"
)

func TestBefore(*testing.T) {}

func TestHang(t *testing.T) {
	if os.Getenv("ISPCTL_LAB") == "" {
		t.Skip("only in the lab")
	}
	if err := os.WriteFile("/dev/console", []byte("about to hang\n"), 0); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
		t.Error(err)
	}
}
