package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/netns"
)

// Down removes every trace of the demo, from whatever state it is in: guests by
// the program itself, then the processes that are left in its namespaces, the
// namespaces, and the root.
func (d *Demo) Down(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return &ispctl.Error{Kind: ispctl.Permission, Object: "demo", Cause: "removes network namespaces", Next: "run it as root"}
	}
	if _, err := os.Stat(d.dir()); errors.Is(err, os.ErrNotExist) {
		if entries, err := os.ReadDir(d.Root); err == nil && len(entries) > 0 {
			return ispctl.Conflicting("demo root", d.Root, "is not the root of a demo; it is left as it is")
		}
	} else if netns.Exists(ProviderNS) {
		// What this cannot undo, the rest below does, but for control groups.
		if err := d.destroyGuests(ctx); err != nil {
			fmt.Fprintln(d.Err, err)
		}
	}
	var errs []error
	for _, ns := range []string{ProviderNS, InternetNS} {
		errs = append(errs, endProcesses(ns), netns.Delete(ns))
	}
	errs = append(errs, os.RemoveAll(d.Root))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(d.Out, "the demo is gone: namespaces %s and %s, and %s\n", ProviderNS, InternetNS, d.Root)
	return nil
}

// destroyGuests destroys the demo's guests and those that whoever looked around
// has made.
func (d *Demo) destroyGuests(ctx context.Context) error {
	out, err := d.asks(ctx, "vm", "list", "-o", "json")
	if err != nil {
		return err
	}
	var guests []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(out, &guests); err != nil {
		return fmt.Errorf("list of guests: %w", err)
	}
	if len(guests) == 0 {
		return nil
	}
	destroy := []string{"vm", "destroy", "--yes", "--if-exists"}
	for _, g := range guests {
		destroy = append(destroy, g.Name)
	}
	return d.ispctl(ctx, destroy...)
}

// endProcesses ends what still runs in a namespace of the demo, by pid, and
// waits until it is gone.
func endProcesses(ns string) error {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		for range 50 {
			pids, err := processesIn(ns)
			if err != nil || len(pids) == 0 {
				return err
			}
			for _, pid := range pids {
				if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
					return fmt.Errorf("end process %d: %w", pid, err)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	return fmt.Errorf("processes in namespace %s do not end", ns)
}

func processesIn(ns string) ([]int, error) {
	var want unix.Stat_t
	if !netns.Exists(ns) {
		return nil, nil
	}
	if err := unix.Stat(netns.Path(ns), &want); err != nil {
		return nil, fmt.Errorf("namespace %s: %w", ns, err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		var have unix.Stat_t
		if unix.Stat(filepath.Join("/proc", e.Name(), "ns/net"), &have) != nil || have.Ino != want.Ino || have.Dev != want.Dev || zombie(pid) {
			continue
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// zombie reports whether a process has ended and only waits for its parent.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}
