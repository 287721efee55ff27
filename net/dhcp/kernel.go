package dhcp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/converge"
)

// Kernel is the edge: the processes that serve the links of the network
// namespace it was opened in, and the files they read.
type Kernel struct {
	nl           *netlink.Handle
	dir          string
	installation string
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// Open binds to the caller's network namespace.
func Open(inst ispctl.Installation, paths ispctl.Paths) (*Kernel, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE, unix.NETLINK_INET_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &Kernel{nl: nl, dir: Dir(paths), installation: inst.Prefix}, nil
}

// Close closes the sockets.
func (k *Kernel) Close() { k.nl.Close() }

// Observe lists the zones that have a directory or a process of ours.
func (k *Kernel) Observe(context.Context) (State, error) {
	zones, err := k.claimed()
	if err != nil {
		return nil, err
	}
	running, err := k.processes()
	if err != nil {
		return nil, err
	}
	listening := map[uint32]Socket{}
	if len(running) > 0 {
		if listening, err = k.listening(); err != nil {
			return nil, err
		}
	}
	s := State{}
	for _, zone := range zones {
		s[zone] = Server{Zone: zone, Dir: k.zoneDir(zone)}
	}
	for zone, all := range running {
		if s[zone], err = k.look(zone, all, listening); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// look says what the processes of a zone serve. They have no configuration,
// which is what nobody wants, unless they are one server, in our network
// namespace, whose files and program are those it was started with, and of
// which is known what hosts it has read.
func (k *Kernel) look(zone ispctl.Name, all []process, listening map[uint32]Socket) (Server, error) {
	s := Server{Zone: zone, Dir: k.zoneDir(zone), Running: len(all) > 0}
	only := servers(all)
	if len(only) != 1 {
		return s, nil
	}
	p := only[0]
	s.Sockets = socketsOf(p.PID, listening)
	r, _, err := k.read(zone)
	if err != nil {
		return s, err
	}
	config, err := os.ReadFile(filepath.Join(s.Dir, p.config+configSuffix))
	if ignoreGone(err) != nil {
		return s, err
	}
	intact := err == nil && digest(string(config)) == p.config && !p.replaced && r.Process == p.identity
	for name, text := range (Server{Zone: zone, Hosts: r.Hosts}).files() {
		have, err := os.ReadFile(filepath.Join(s.Dir, name))
		if ignoreGone(err) != nil {
			return s, err
		}
		intact = intact && err == nil && string(have) == text
	}
	if intact {
		s.Config, s.Hosts = string(config), r.Hosts
	}
	return s, nil
}

// Apply carries out changes in order. One zone that cannot be served keeps no
// other one from it. Of several ispctl one at a time is at work here.
func (k *Kernel) Apply(ctx context.Context, changes []Change) (err error) {
	if len(changes) == 0 {
		return nil
	}
	lock, err := k.lock(ctx)
	if err != nil {
		return fmt.Errorf("lock %s: %w", k.dir, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	var errs []error
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if err := k.apply(ctx, c, lock); err != nil {
			errs = append(errs, &converge.Fault{Object: c.Object(), Err: fmt.Errorf("dnsmasq: %w", err)})
		}
	}
	return errors.Join(errs...)
}

func (k *Kernel) apply(ctx context.Context, c Change, lock *os.File) error {
	zone := c.Server.Zone
	if foreign, err := k.foreign(zone); err != nil {
		return err
	} else if foreign && c.Act == Stop {
		return nil
	}
	if c.Act == Stop {
		if err := k.endAll(zone); err != nil {
			return err
		}
		return k.remove(zone)
	}
	// Whatever was pending when it was looked at: what runs by now decides.
	p, ok, err := k.fit(c.Server)
	if err != nil {
		return err
	}
	if ok {
		if err := k.reload(p, c.Server); !errors.Is(err, errStartOver) {
			return err
		}
	}
	return k.start(ctx, c.Server, lock)
}

// fit finds the process that serves as wanted, but for its hosts.
func (k *Kernel) fit(want Server) (process, bool, error) {
	running, err := k.processes()
	if err != nil || len(running[want.Zone]) == 0 {
		return process{}, false, err
	}
	listening, err := k.listening()
	if err != nil {
		return process{}, false, err
	}
	all := running[want.Zone]
	have, err := k.look(want.Zone, all, listening)
	if err != nil || have.Config != want.Config || !slices.Equal(have.Sockets, want.Sockets) {
		return process{}, false, err
	}
	return servers(all)[0], true, nil
}

// lock waits for whoever is at work on the servers of this installation. The
// lock is on an open file that a dnsmasq inherits and closes as it starts: so
// it holds until the process can be known by its command line, even if we are
// killed meanwhile, and two never run for one zone.
func (k *Kernel) lock(ctx context.Context) (*os.File, error) {
	if err := makeDir(k.dir); err != nil {
		return nil, err
	}
	f, err := os.Open(k.dir)
	if err != nil {
		return nil, err
	}
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(until) {
			return nil, errors.Join(err, f.Close())
		}
	}
}
