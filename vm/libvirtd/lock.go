package libvirtd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
)

// waitForLock waits until no other process embeds the driver whose lock is in
// a file, and returns an error of kind Conflict when that takes too long.
//
// It looks before libvirt does, because libvirt cannot try twice: a driver that
// found its root locked stays registered half made, and the tenth is refused.
// And it looks in /proc/locks, because to open and close the file would drop
// our own lock on it (fcntl(2), "Record locks").
func waitForLock(ctx context.Context, file string, patience time.Duration) error {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		pid := lockHolder(file)
		if pid == 0 || pid == os.Getpid() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout.C:
			return &ispctl.Error{
				Kind: ispctl.Conflict, Object: "hypervisor " + embed, Cause: fmt.Sprintf("is in use by process %d", pid),
				Next: "wait until it ends, or stop it",
			}
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// lockHolder is the process that holds a lock on a file, or 0.
func lockHolder(file string) int {
	var st unix.Stat_t
	if unix.Stat(file, &st) != nil {
		return 0
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return 0 // libvirt will tell
	}
	defer locks.Close()
	return holderIn(locks, fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino))
}

// holderIn finds who holds a lock on the file of that device and inode in the
// text of proc_locks(5):
//
//	1: POSIX  ADVISORY  WRITE 5433 08:01:7864448 0 EOF
//
// Lines with an arrow are of those who wait for it.
func holderIn(locks io.Reader, file string) int {
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) == 8 && f[5] == file {
			if pid, err := strconv.Atoi(f[4]); err == nil {
				return pid
			}
		}
	}
	return 0
}

// driverLock is the file that the embedded driver locks for as long as a
// process has it.
func driverLock(paths ispctl.Paths) string {
	return filepath.Join(paths.Embed(), "run", "qemu", "driver.pid")
}
