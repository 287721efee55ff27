package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"ispctl"
)

// Host is where this host has which controller.
type Host struct {
	CPUs              int
	CPU, CPUSet, Disk Place
	// AllCPUs are those of a cpuset of version 2 that is told of none. Linux 6.1
	// does not let one be told so again while processes are in it: it is told all
	// of them, which means the same.
	AllCPUs ispctl.CPUSet

	diskWhy string // there is no weight at the disk
}

// Place is the root of the hierarchy that has a controller; the empty one: there
// is none.
type Place struct {
	Dir string
	V2  bool
}

func (p Place) there() bool { return p.Dir != "" }

// Any reports whether the host has any of them.
func (h Host) Any() bool { return h.CPU.there() || h.CPUSet.there() || h.Disk.there() }

// Lacks says for each limit of a VM that this host cannot hold why not, by the
// name of the limit.
func (h Host) Lacks() map[string]string {
	lacks := map[string]string{}
	if !h.CPU.there() {
		for _, name := range []string{"cpu-ceiling", "cpu-guarantee", "cpu-shares"} {
			lacks[name] = "the kernel has no cgroup controller cpu, or it is not mounted"
		}
	}
	if !h.CPUSet.there() {
		lacks["cpu-pin"] = "the kernel has no cgroup controller cpuset, or it is not mounted"
	}
	if !h.Disk.there() {
		lacks["disk-weight"] = h.diskWhy
	}
	return lacks
}

// Find looks for the controllers, and for what is below the disks of an
// installation.
func Find(paths ispctl.Paths) (Host, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return Host{}, fmt.Errorf("find cgroups: %w", err)
	}
	defer f.Close()
	h := Host{CPUs: runtime.NumCPU()}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		h.mount(lines.Text())
	}
	if h.CPUSet.V2 {
		text, err := readText(filepath.Join(h.CPUSet.Dir, "cpuset.cpus.effective"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Host{}, err
		}
		h.AllCPUs = ispctl.CPUSet(text)
	}
	h.diskWhy = h.weightless(paths.Guests())
	if h.diskWhy != "" {
		h.Disk = Place{}
	}
	return h, nil
}

// mount takes a line of mountinfo (proc(5)).
func (h *Host) mount(line string) {
	before, after, ok := strings.Cut(line, " - ")
	fields, rest := strings.Fields(before), strings.Fields(after)
	if !ok || len(fields) < 5 || len(rest) < 3 {
		return
	}
	dir := fields[4] // octal escapes stand for spaces, which no cgroup mount has
	var controllers []string
	switch rest[0] {
	case "cgroup":
		controllers = strings.Split(rest[2], ",")
	case "cgroup2":
		data, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		if err != nil {
			return
		}
		controllers = strings.Fields(string(data))
	default:
		return
	}
	v2 := rest[0] == "cgroup2"
	for _, one := range []struct {
		name string
		into *Place
	}{{"cpu", &h.CPU}, {"cpuset", &h.CPUSet}, {"blkio", &h.Disk}, {"io", &h.Disk}} {
		if slices.Contains(controllers, one.name) && !one.into.there() {
			*one.into = Place{dir, v2}
		}
	}
}

// weightless says why weights do nothing at the disk below a directory; empty:
// they do. Only BFQ asks for them here: iocost, the other one, has to be told
// what the disk can do first.
func (h *Host) weightless(dir string) string {
	if !h.Disk.there() {
		return "the kernel has no cgroup controller io (blkio), or it is not mounted"
	}
	disk, scheduler, err := schedulerOf(dir)
	switch {
	case err != nil:
		return "the disk below " + dir + " has no scheduler that is known: " + err.Error()
	case scheduler != "bfq":
		return fmt.Sprintf("the scheduler of %s is %s, which knows no weights: echo bfq >/sys/block/%s/queue/scheduler", disk, scheduler, disk)
	}
	return ""
}
