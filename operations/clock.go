package operations

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Clock tells the time as a deadline needs it told.
type Clock interface {
	// Now is the wall clock: for people to read, and set by them.
	Now() time.Time
	// SinceBoot goes on through suspend and knows no jumps: CLOCK_BOOTTIME of
	// clock_gettime(2).
	SinceBoot() (time.Duration, error)
	// BootID names the boot that SinceBoot counts from.
	BootID() (string, error)
	// Sleep returns after d, or when ctx ends.
	Sleep(ctx context.Context, d time.Duration)
}

// KernelClock is the clock of the host.
type KernelClock struct{}

var _ Clock = KernelClock{}

// Now is the wall clock.
func (KernelClock) Now() time.Time { return time.Now().UTC() }

// SinceBoot reads CLOCK_BOOTTIME.
func (KernelClock) SinceBoot() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, fmt.Errorf("read the clock since boot: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// bootID is random(4)'s name for the present boot.
const bootID = "/proc/sys/kernel/random/boot_id"

// BootID reads the kernel's name for this boot.
func (KernelClock) BootID() (string, error) {
	id, err := os.ReadFile(bootID)
	if err != nil {
		return "", fmt.Errorf("which boot this is: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// Sleep waits on the runtime's clock, which stands still through suspend: who
// waits for a moment sleeps in short steps and looks at SinceBoot.
func (KernelClock) Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// FakeClock is a clock that moves only while somebody sleeps.
type FakeClock struct {
	Wall    time.Time
	Boot    time.Duration
	ID      string
	OnSleep func(*FakeClock) // what happens meanwhile; may be nil
}

var _ Clock = (*FakeClock)(nil)

// Now is Wall.
func (c *FakeClock) Now() time.Time { return c.Wall }

// SinceBoot is Boot.
func (c *FakeClock) SinceBoot() (time.Duration, error) { return c.Boot, nil }

// BootID is ID.
func (c *FakeClock) BootID() (string, error) { return c.ID, nil }

// Sleep moves both clocks and returns.
func (c *FakeClock) Sleep(_ context.Context, d time.Duration) {
	c.Wall, c.Boot = c.Wall.Add(d), c.Boot+d
	if c.OnSleep != nil {
		c.OnSleep(c)
	}
}
