package images

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl/internal/testkit"
)

// TestCommandEnds cancels a program that has mounted something and started a
// grandchild which ignores every signal it can.
func TestCommandEnds(t *testing.T) {
	testkit.Need(t, testkit.Root)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin := time.Now()
	tag := strconv.FormatInt(begin.UnixNano(), 10)
	err := command{
		argv: []string{"sh", "-c", `mount -t tmpfs mine "$0" && echo x >"$0/x" && trap "" TERM INT HUP
			(trap "" TERM INT HUP; exec sleep 600.` + tag + `) & echo started; wait`, dir},
		line: func(string) { cancel() },
	}.run(ctx)
	if !errors.Is(err, context.Canceled) || time.Since(begin) > 5*time.Second {
		t.Errorf("ended with %v after %v", err, time.Since(begin))
	}
	if names := ls(t, dir); len(names) != 0 {
		t.Errorf("the mount is still there: %v", names)
	}
	if out, err := exec.Command("pgrep", "-f", "sleep 600."+tag).Output(); err == nil {
		t.Errorf("a grandchild lives: %s", out)
	}
}

// TestCommandFails wants the reason in the error, and the umask of a guest.
func TestCommandFails(t *testing.T) {
	testkit.Need(t, testkit.Root)
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	err := command{argv: []string{"sh", "-c", "umask; echo why it failed >&2; exit 3"}, line: func(string) {}}.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 3\n0022\nwhy it failed") {
		t.Errorf("got %v", err)
	}
}
