package libvirtd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ispctl"
)

func TestHolderIn(t *testing.T) {
	const locks = `1: POSIX  ADVISORY  WRITE 5433 08:01:7864448 0 EOF
2: FLOCK  ADVISORY  WRITE 2001 08:01:7864554 0 EOF
2: -> FLOCK  ADVISORY  WRITE 2002 08:01:7864555 0 EOF
3: POSIX  ADVISORY  WRITE x 08:01:1 0 EOF
`
	for file, want := range map[string]int{
		"08:01:7864448": 5433, "08:01:7864554": 2001, "08:01:7864555": 0, "08:01:1": 0, "08:01:786444": 0, "": 0,
	} {
		if got := holderIn(strings.NewReader(locks), file); got != want {
			t.Errorf("%s: %d, want %d", file, got, want)
		}
	}
}

// TestWaitForLock holds a lock by flock(1), which /proc/locks shows as well.
func TestWaitForLock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "driver.pid")
	if err := waitForLock(t.Context(), file, 0); err != nil {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	holder := exec.Command("flock", file, "cat")
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if lockHolder(file) != 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := waitForLock(t.Context(), file, 100*time.Millisecond); ispctl.KindOf(err) != ispctl.Conflict {
		t.Errorf("held: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := waitForLock(ctx, file, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("held, and cancelled: %v", err)
	}
	time.AfterFunc(200*time.Millisecond, func() { _ = in.Close() })
	if err := waitForLock(t.Context(), file, 10*time.Second); err != nil {
		t.Errorf("let go of meanwhile: %v", err)
	}
	if err := holder.Wait(); err != nil {
		t.Error(err)
	}
}
