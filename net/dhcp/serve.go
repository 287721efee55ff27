package dhcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
)

// errStartOver says that a server cannot be told what changed.
var errStartOver = errors.New("has to be started over")

// maxReleases is how many leases are released one by one. More could be more
// than the server's socket holds, and what is lost there nobody sees.
const maxReleases = 100

// start ends what runs for the zone and runs its server. Until the record names
// the process, the next pass would start it over.
func (k *Kernel) start(ctx context.Context, s Server, lock *os.File) error {
	if err := k.endAll(s.Zone); err != nil {
		return err
	}
	if err := k.claim(s.Zone); err != nil {
		return err
	}
	if err := passable(s.Dir); err != nil {
		return err
	}
	if err := k.write(record{Zone: s.Zone}); err != nil {
		return err
	}
	if err := putConfig(s); err != nil {
		return err
	}
	if err := putHosts(s); err != nil {
		return err
	}
	if err := k.run(ctx, s, lock); err != nil {
		return err
	}
	all, err := k.processes()
	if err != nil {
		return err
	}
	only := servers(all[s.Zone])
	if len(only) != 1 {
		return fmt.Errorf("%d processes run after one was started", len(only))
	}
	listening, err := k.listening()
	if err != nil {
		return err
	}
	if have := socketsOf(only[0].PID, listening); !slices.Equal(have, s.Sockets) {
		return fmt.Errorf("listens on %v, not on %v", have, s.Sockets)
	}
	return k.write(record{Zone: s.Zone, Process: only[0].identity, Hosts: s.Hosts})
}

// passable says which directory above keeps dnsmasq, which is not root by the
// time it reads, from its files.
func passable(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		st, err := os.Stat(dir)
		if err != nil {
			return err
		}
		const othersSearch = 0o001
		if st.Mode()&othersSearch == 0 {
			return &ispctl.Error{
				Kind: ispctl.Permission, Object: "directory " + dir, Cause: "user dnsmasq cannot pass through it to the files of its zone",
				Next: "chmod o+x " + dir,
			}
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// putConfig leaves no other configuration in the directory, nor what was half
// written of one when ispctl was killed: it is named for what would be in it.
func putConfig(s Server) error {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(strings.TrimSuffix(e.Name(), halfSuffix), configSuffix) {
			if err := ignoreGone(os.Remove(filepath.Join(s.Dir, e.Name()))); err != nil {
				return err
			}
		}
	}
	return put(filepath.Join(s.Dir, digest(s.Config)+configSuffix), s.Config)
}

func putHosts(s Server) error {
	for name, text := range s.files() {
		if err := put(filepath.Join(s.Dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

// run starts dnsmasq. One that was killed gives its sockets up only after it is
// no longer seen, so a socket that nobody holds is waited for.
func (k *Kernel) run(ctx context.Context, s Server, lock *os.File) error {
	program, err := lookPath("dnsmasq")
	if err != nil {
		return &ispctl.Error{Kind: ispctl.Failed, Cause: "is not installed", Next: "install it: apt install dnsmasq-base"}
	}
	const wait, pause = time.Second, 10 * time.Millisecond
	for until := time.Now().Add(wait); ; time.Sleep(pause) {
		said, err := execute(ctx, program, s, lock)
		if err == nil {
			return nil
		}
		if taken := k.inTheWay(s); taken != nil {
			return taken
		}
		if !strings.Contains(strings.ToLower(said), unix.EADDRINUSE.Error()) || time.Now().After(until) {
			return fmt.Errorf("%w: %s", err, said)
		}
	}
}

// execute runs dnsmasq, which returns when its daemon serves, or says why it
// does not.
func execute(ctx context.Context, program string, s Server, lock *os.File) (said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Args = arguments(s.Dir, digest(s.Config))
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.Stderr = &out
	cmd.ExtraFiles = []*os.File{lock} // see Kernel.lock
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	return strings.TrimSpace(strings.ReplaceAll(out.String(), "\n", " ")), err
}

// lookPath looks where Debian has it as well: the PATH of an ordinary user,
// which su(1) keeps, has no sbin.
func lookPath(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", program))
}

// reload lets a server read its hosts. When it returns, the server knows those
// that were wanted and has forgotten all others.
func (k *Kernel) reload(p process, s Server) error {
	r, _, err := k.read(s.Zone)
	if err != nil {
		return err
	}
	gone := without(r.Hosts, s.Hosts)
	if len(gone) == 0 && len(r.Hosts) == len(s.Hosts) {
		return nil
	}
	if s.serves(dhcpPort) && len(gone) > maxReleases {
		return errStartOver
	}
	if s.serves(dhcp6Port) && slices.ContainsFunc(gone, func(h Host) bool { return h.Addr6.IsValid() }) {
		// A lease of DHCPv6 is its client's by an identifier that the client
		// chose (RFC 8415, 11); nobody else can give it back.
		return errStartOver
	}
	if err := k.write(record{Zone: s.Zone, Hosts: r.Hosts}); err != nil {
		return err
	}
	if err := putHosts(s); err != nil {
		return err
	}
	if err := p.reread(s); err != nil {
		return err
	}
	if err := k.dropClients(p); err != nil {
		return err
	}
	if err := k.release(s, gone); err != nil {
		return err
	}
	return k.write(record{Zone: s.Zone, Process: p.identity, Hosts: s.Hosts})
}

// dropClients ends the children that serve clients by TCP: they were made when
// other names were known. SIGALRM is how dnsmasq itself ends them.
func (k *Kernel) dropClients(p process) error {
	all, err := k.processes()
	if err != nil {
		return err
	}
	for _, child := range all[p.zone] {
		if child.parent == p.PID {
			if err := child.signal(unix.SIGALRM); err != nil {
				return err
			}
		}
	}
	return nil
}

// reread sends SIGHUP and waits until the process has closed every file it is
// to read. It does nothing else meanwhile, so whoever asks it next is answered
// by what is in them.
func (p process) reread(s Server) (err error) {
	events, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("inotify: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(events)) }()
	unread := map[int32]bool{}
	for port, name := range map[uint16]string{dnsPort: namesFile, dhcpPort: macsFile} {
		if !s.serves(port) {
			continue
		}
		watch, err := unix.InotifyAddWatch(events, filepath.Join(s.Dir, name), unix.IN_CLOSE_NOWRITE)
		if err != nil {
			return fmt.Errorf("inotify: %w", err)
		}
		unread[int32(watch)] = true
	}
	fd, err := p.open()
	if err != nil {
		return errors.Join(errStartOver, err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := unix.PidfdSendSignal(fd, unix.SIGHUP, nil, 0); err != nil {
		return errors.Join(errStartOver, err)
	}
	for len(unread) > 0 {
		if at, err := readable(patience, events, fd); err != nil || at != 0 {
			return errors.Join(errStartOver, err)
		}
		buffer := make([]byte, 4096)
		n, err := unix.Read(events, buffer)
		if err != nil {
			return fmt.Errorf("inotify: %w", err)
		}
		for b := buffer[:n]; len(b) >= unix.SizeofInotifyEvent; b = b[unix.SizeofInotifyEvent:] {
			delete(unread, int32(binary.NativeEndian.Uint32(b))) // watches on files bring no names
		}
	}
	return nil
}
