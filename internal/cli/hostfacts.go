package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/operations"
	"ispctl/vm"
	"ispctl/vm/cgroup"
)

// hostFacts is what this machine has to share out. Where nothing runs, nothing
// is shared.
func hostFacts(inst ispctl.Installation, paths ispctl.Paths) operations.HostFacts {
	if vm.HostOf(inst).Type == vm.Test {
		return operations.HostFacts{}
	}
	facts := operations.HostFacts{CPUs: runtime.NumCPU(), Disk: func(m *ispctl.Model) (ispctl.Size, error) { return diskRoom(m, paths.Guests()) }}
	if h, err := hostMemory(); err == nil {
		facts.Memory = h.Total
	}
	return facts
}

// diskRoom is what is free where the disks of guests are, and what those take
// already.
func diskRoom(m *ispctl.Model, dir string) (ispctl.Size, error) {
	at := dir
	var fsys unix.Statfs_t
	err := unix.Statfs(at, &fsys)
	for ; errors.Is(err, fs.ErrNotExist) && at != "/"; err = unix.Statfs(at, &fsys) {
		at = filepath.Dir(at)
	}
	if err != nil {
		return 0, fmt.Errorf("room for disks in %s: %w", dir, err)
	}
	room := ispctl.Size(fsys.Bavail) * ispctl.Size(fsys.Bsize)
	for guest := range m.Guests() {
		files, err := os.ReadDir(filepath.Join(dir, guest.UUID))
		if err != nil {
			continue // it is about to be made
		}
		for _, f := range files {
			var st unix.Stat_t
			if unix.Lstat(filepath.Join(dir, guest.UUID, f.Name()), &st) == nil {
				room += ispctl.Size(st.Blocks * 512)
			}
		}
	}
	return room, nil
}

// hostMemory is how the memory of this machine stands.
func hostMemory() (ispctl.HostMemory, error) { return readHostMemory("/proc") }

func readHostMemory(proc string) (ispctl.HostMemory, error) {
	h := ispctl.HostMemory{Stalled: -1}
	f, err := os.Open(filepath.Join(proc, "meminfo"))
	if err != nil {
		return h, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "MemTotal":
			h.Total = ispctl.Size(n) * ispctl.KiB
		case "MemAvailable":
			h.Available = ispctl.Size(n) * ispctl.KiB
		}
	}
	if h.Total == 0 {
		return h, fmt.Errorf("%s/meminfo does not say how much there is", proc)
	}
	// "some avg10=0.00 avg60=..."; not every kernel says it.
	if data, err := os.ReadFile(filepath.Join(proc, "pressure", "memory")); err == nil {
		_, after, _ := strings.Cut(string(data), "some avg10=")
		text, _, _ := strings.Cut(after, " ")
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			h.Stalled = v
		}
	}
	return h, nil
}

// guestUses reads what the processes of VMs have used.
func guestUses(inst ispctl.Installation) func([]ispctl.VM) (map[int64]operations.GuestUse, error) {
	return func(vms []ispctl.VM) (map[int64]operations.GuestUse, error) {
		ids := make([]int64, len(vms))
		for i, one := range vms {
			ids[i] = one.ID
		}
		uses, err := cgroup.Uses(inst, ids)
		all := make(map[int64]operations.GuestUse, len(uses))
		for id, u := range uses {
			all[id] = operations.GuestUse(u)
		}
		return all, err
	}
}
