package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
)

// Processes are those of every user that a guest may have, by user, in the
// network namespace of the caller.
func Processes() (map[uint32][]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	own, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	all := map[uint32][]int{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		var st unix.Stat_t
		if unix.Stat("/proc/"+name, &st) == nil && ispctl.IsGuestUID(st.Uid) {
			if ns, err := os.Readlink("/proc/" + name + "/ns/net"); err != nil || ns != own {
				continue
			}
			all[st.Uid] = append(all[st.Uid], pid)
		}
	}
	return all, nil
}

// members are the processes in a group.
func members(dir string) (map[int]bool, error) {
	text, err := readText(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	all := map[int]bool{}
	for field := range strings.FieldsSeq(text) {
		if pid, err := strconv.Atoi(field); err == nil {
			all[pid] = true
		}
	}
	return all, nil
}

// alive reports whether a process can still do anything: one that has ended and
// was not buried is in no group.
func alive(pid int) bool {
	fields, err := stat(pid)
	return err == nil && fields[0] != "Z" && fields[0] != "X"
}

// stat is what /proc/PID/stat says from the state on: the name before it may
// have anything in it.
func stat(pid int) ([]string, error) {
	text, err := readText(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const least = 22
	if len(fields) < least {
		return nil, fmt.Errorf("/proc/%d/stat is short", pid)
	}
	return fields, nil
}

func move(pid int, dir string) error {
	err := write(dir, "cgroup.procs", strconv.Itoa(pid))
	if errors.Is(err, unix.ESRCH) {
		return nil // it has ended
	}
	return err
}

// Use is what a guest's processes have used so far, and what they hold.
type Use struct {
	CPU         time.Duration
	Memory      ispctl.Size // resident
	Read, Write int64       // bytes, of disks
}

// Uses are what the guests of an installation use, of those whose ids are asked
// for and that have processes.
func Uses(inst ispctl.Installation, vms []int64) (map[int64]Use, error) {
	processes, err := Processes()
	if err != nil {
		return nil, err
	}
	const (
		tick           = time.Second / 100 // USER_HZ, the same on every Linux
		utime, stime   = 11, 12            // fields 14 and 15 of proc(5)
		residentMemory = 21                // field 24, in pages
	)
	all := map[int64]Use{}
	for _, id := range vms {
		for _, pid := range processes[inst.GuestUID(id)] {
			fields, err := stat(pid)
			if err != nil {
				continue // it has ended
			}
			user, _ := strconv.ParseInt(fields[utime], 10, 64)
			system, _ := strconv.ParseInt(fields[stime], 10, 64)
			pages, _ := strconv.ParseInt(fields[residentMemory], 10, 64)
			u := all[id]
			u.CPU += time.Duration(user+system) * tick
			u.Memory += ispctl.Size(pages * int64(os.Getpagesize()))
			read, write := disks(pid)
			u.Read, u.Write = u.Read+read, u.Write+write
			all[id] = u
		}
	}
	return all, nil
}

// disks is what a process has had read from disks and written to them.
func disks(pid int) (read, write int64) {
	text, err := readText(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "read_bytes":
			read = n
		case "write_bytes":
			write = n
		}
	}
	return read, write
}
