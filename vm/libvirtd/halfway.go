package libvirtd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
)

// clearHalfway takes out of the embedded driver's state the guests whose start
// a kill -9 cut off before the driver had written down which process is QEMU.
//
// The driver means to end a start that was cut off, and does, where it knows
// the process. Without it, it waits for a monitor that never comes, for half a
// minute, in which nobody can do anything with the guest and it counts as
// running; and a program that ends sooner than that leaves it so for the next.
// No guest is harmed: until its start is over, its processors stand still.
//
// It must not run while the driver does, in this process or in another one.
func clearHalfway(paths ispctl.Paths, starts map[string]status) (cleared bool, err error) {
	for file, s := range starts {
		if !s.halfway() || lockHolder(driverLock(paths)) != 0 {
			continue
		}
		pidFile := strings.TrimSuffix(file, ".xml") + ".pid"
		if err := end(pidFile); err != nil {
			return cleared, err
		}
		for _, left := range []string{pidFile, file} {
			if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return cleared, fmt.Errorf("clear a start that was cut off: %w", err)
			}
		}
		cleared = true
	}
	return cleared, nil
}

// halfway reports whether a start was cut off, with no process known.
func (s status) halfway() bool {
	return s.State == "paused" && s.Reason == "starting up" && s.PID == "0"
}

// end kills what has a pid file open: QEMU, or the child of the driver that was
// to become it. A child that has not got so far ends by itself, now that its
// parent is gone; until then it may hold the guest's tap, so it is given time.
func end(pidFile string) error {
	for range 100 {
		pids := holders(pidFile)
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("end process %d of a start that was cut off: %w", pid, err)
			}
		}
		time.Sleep(childTime)
		if len(pids) == 0 {
			return nil
		}
	}
	return fmt.Errorf("%s: a start that was cut off does not end", pidFile)
}

// childTime is some hundred times what a child takes to see that its parent is
// gone.
const childTime = 200 * time.Millisecond

// holders are the processes that have a file open.
func holders(file string) []int {
	want, err := os.Stat(file)
	if err != nil {
		return nil
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return nil
	}
	var pids []int
	for _, fd := range fds {
		// The name first: it says without a wait what a stat might wait for.
		if target, err := os.Readlink(fd); err != nil || filepath.Base(target) != filepath.Base(file) {
			continue
		}
		if have, err := os.Stat(fd); err != nil || !os.SameFile(want, have) {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(fd, "/")[2]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
