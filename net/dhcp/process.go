package dhcp

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
)

// identity names one process for good: a number alone is given out again.
type identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // in clock ticks since boot
}

// process is a dnsmasq of ours.
type process struct {
	identity
	parent   int
	zone     ispctl.Name
	config   string // digest of the configuration it runs by
	replaced bool   // its program was upgraded since
}

// processes are those whose command line is one of ours, by zone. A dnsmasq
// makes children: the daemon itself while it starts, and one for each client
// that asks by TCP.
func (k *Kernel) processes() (map[ispctl.Name][]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	all := map[ispctl.Name][]process{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := k.process(pid); ok {
			all[p.zone] = append(all[p.zone], p)
		}
	}
	for zone := range all {
		if foreign, err := k.foreign(zone); err != nil {
			return nil, err
		} else if foreign {
			delete(all, zone)
		}
	}
	return all, nil
}

// foreign reports whether a zone's directory is there without our mark. A
// process whose directory is gone is ours by its command line.
func (k *Kernel) foreign(zone ispctl.Name) (bool, error) {
	if _, ours, err := k.read(zone); err != nil || ours {
		return false, err
	}
	_, err := os.Lstat(k.zoneDir(zone))
	return err == nil, nil
}

// process looks at one; it is not ours, or gone, where ok is false.
func (k *Kernel) process(pid int) (p process, ok bool) {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if comm, err := os.ReadFile(filepath.Join(proc, "comm")); err != nil || string(comm) != "dnsmasq\n" {
		return p, false
	}
	line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil {
		return p, false
	}
	argv := strings.Split(string(bytes.TrimSuffix(line, []byte{0})), "\x00")
	if len(argv) < 2 {
		return p, false
	}
	dir, file := filepath.Split(strings.TrimPrefix(argv[1], "--conf-file="))
	p.config = strings.TrimSuffix(file, configSuffix)
	p.zone = ispctl.Name(filepath.Base(dir))
	if filepath.Base(argv[0]) != "dnsmasq" || !slices.Equal(argv[1:], arguments(k.zoneDir(p.zone), p.config)[1:]) {
		return p, false
	}
	exe, err := os.Readlink(filepath.Join(proc, "exe"))
	if err != nil {
		return p, false
	}
	p.replaced = strings.HasSuffix(exe, " (deleted)")
	p.PID = pid
	p.parent, p.Start, err = parentAndStart(proc)
	return p, err == nil
}

// parentAndStart reads two fields of proc_pid_stat(5). The second field, a
// name, may hold anything but is the last in parentheses.
func parentAndStart(proc string) (parent int, start uint64, err error) {
	data, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return 0, 0, fmt.Errorf("%s/stat: %d fields", proc, len(fields))
	}
	parent, errParent := strconv.Atoi(fields[1])
	start, errStart := strconv.ParseUint(fields[19], 10, 64)
	return parent, start, errors.Join(errParent, errStart)
}

// servers are the processes that no other one of them has made.
func servers(all []process) []process {
	return slices.DeleteFunc(slices.Clone(all), func(p process) bool {
		return slices.ContainsFunc(all, func(q process) bool { return q.PID == p.parent })
	})
}

// open returns a file descriptor of the process, which is never another one's.
func (p process) open() (fd int, err error) {
	fd, err = unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return -1, err
	}
	if _, start, err := parentAndStart(filepath.Join("/proc", strconv.Itoa(p.PID))); err != nil || start != p.Start {
		return -1, errors.Join(unix.ESRCH, unix.Close(fd))
	}
	return fd, nil
}

// signal sends one; who is gone needs none.
func (p process) signal(s unix.Signal) error {
	fd, err := p.open()
	if err == nil {
		err = errors.Join(unix.PidfdSendSignal(fd, s, nil, 0), unix.Close(fd))
	}
	return except(err, unix.ESRCH)
}

// patience is how long a server may take to do what it was told.
const patience = 5 * time.Second

// end ends a process, by force if need be, and waits until it is gone.
func (p process) end() error {
	fd, err := p.open()
	if err != nil {
		return except(err, unix.ESRCH)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := unix.PidfdSendSignal(fd, s, nil, 0); err != nil {
			return except(err, unix.ESRCH)
		}
		switch gone, err := readable(patience, fd); {
		case err != nil:
			return err
		case gone >= 0:
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", p.PID)
}

// endAll ends every process of a zone. One may make another just before it
// ends, so it looks again until there is none.
func (k *Kernel) endAll(zone ispctl.Name) error {
	for range 10 {
		all, err := k.processes()
		if err != nil || len(all[zone]) == 0 {
			return err
		}
		for _, p := range all[zone] {
			if err := p.end(); err != nil {
				return err
			}
		}
	}
	return errors.New("its processes come again and again")
}

// readable waits until there is something to read from one of the file
// descriptors, and returns its place among them; -1 when the time is over. A
// process is readable when it has ended.
func readable(wait time.Duration, fds ...int) (int, error) {
	var polled []unix.PollFd
	for _, fd := range fds {
		polled = append(polled, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	until := time.Now().Add(wait)
	for {
		left := max(0, time.Until(until))
		_, err := unix.Poll(polled, int(left.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return -1, fmt.Errorf("poll: %w", err)
		}
		if at := slices.IndexFunc(polled, func(p unix.PollFd) bool { return p.Revents != 0 }); err == nil && at >= 0 {
			return at, nil
		}
		if left == 0 {
			return -1, nil
		}
	}
}

// except takes one error for success.
func except(err, fine error) error {
	if errors.Is(err, fine) {
		return nil
	}
	return err
}

// ignoreGone takes it for success that a file is gone.
func ignoreGone(err error) error { return except(err, fs.ErrNotExist) }
