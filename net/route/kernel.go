package route

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"ispctl/converge"
)

// Kernel is the edge: the routes and sysctls of the network namespace it was
// opened in.
type Kernel struct {
	nl    *netlink.Handle
	dumps *nl.SocketHandle // for what the library does not decode
	ours  []string         // how the names of links begin that no setting is asked of
	ns    *os.File         // its namespace, since sysctls are those of whichever thread looks
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// Open binds to the caller's network namespace. Links whose names begin with
// one of ours are bridges and taps, whose settings are another layer's.
func Open(ours ...string) (*Kernel, error) {
	handle, errHandle := netlink.NewHandle(unix.NETLINK_ROUTE)
	socket, errSocket := nl.Subscribe(unix.NETLINK_ROUTE)
	ns, errNS := os.Open(threadNS)
	if err := errors.Join(errHandle, errSocket, errNS); err != nil {
		return nil, fmt.Errorf("open route netlink: %w", err)
	}
	return &Kernel{nl: handle, dumps: &nl.SocketHandle{Socket: socket}, ours: ours, ns: ns}, nil
}

// Close closes the sockets.
func (k *Kernel) Close() {
	k.nl.Close()
	k.dumps.Close()
	_ = k.ns.Close() // nothing was written
}

// threadNS is the network namespace of the calling thread (proc(5)).
const threadNS = "/proc/thread-self/ns/net"

// inside runs fn on a thread that is in the layer's namespace: the caller's own,
// unless a test has moved into one that the rest of its process is not in.
func (k *Kernel) inside(fn func() error) error {
	var here, want unix.Stat_t
	if err := errors.Join(unix.Stat(threadNS, &here), unix.Fstat(int(k.ns.Fd()), &want)); err != nil {
		return err
	}
	if here.Ino == want.Ino && here.Dev == want.Dev {
		return fn()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Setns(int(k.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- fn()
	}()
	return <-done
}

// Observe reads the sysctls we care for and the routes that bear our protocol.
func (k *Kernel) Observe(context.Context) (State, error) {
	s := NewState()
	s.Sysctls = Sysctls{}
	if err := k.inside(func() error { return readSysctls(s.Sysctls, k.ours) }); err != nil {
		return s, err
	}
	var err error
	if s.Proxies, err = k.proxies(); err != nil {
		return s, err
	}
	return s, errors.Join(k.readRoutes(s), k.readRules(s))
}

func readSysctls(into Sysctls, ours []string) error {
	keys, err := linkKeys(ours)
	if err != nil {
		return err
	}
	all := allSysctls()
	for _, key := range append(keys, slices.Collect(maps.Keys(all))...) {
		info, err := os.Stat(procPath(key))
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&0o200 == 0 {
			into[key] = all[key] // it is not there, or another namespace's
			continue
		}
		got, err := os.ReadFile(procPath(key))
		if err != nil {
			return fmt.Errorf("read sysctl %s: %w", key, err)
		}
		into[key] = settled(key, string(got), all[key])
	}
	return nil
}

// linkKeys are the settings of IPv6 that any model may want: of all links but
// ours, of which there may be thousands.
func linkKeys(ours []string) ([]string, error) {
	entries, err := os.ReadDir("/proc/sys/net/ipv6/conf")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a kernel without IPv6
	}
	if err != nil {
		return nil, fmt.Errorf("list IPv6 settings: %w", err)
	}
	keys := []string{forwarding6}
	for _, e := range entries {
		link := e.Name()
		if !slices.ContainsFunc(ours, func(prefix string) bool { return strings.HasPrefix(link, prefix) }) {
			keys = append(keys, linkKey(link, "accept_ra"), linkKey(link, "proxy_ndp"))
		}
	}
	return keys, nil
}

// procPath is the file of a setting. A dot and a slash change places.
func procPath(key string) string {
	return filepath.Join("/proc/sys", strings.NewReplacer(".", "/", "/", ".").Replace(key))
}

// Apply carries out changes in order and joins the errors.
func (k *Kernel) Apply(ctx context.Context, changes []Change) error {
	var errs []error
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if err := k.apply(c); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c, err))
		}
	}
	return errors.Join(errs...)
}

func (k *Kernel) apply(c Change) error {
	if c.Sysctl != "" {
		return k.inside(func() error { return os.WriteFile(procPath(c.Sysctl), []byte(c.Value), 0o644) })
	}
	if c.Proxy.Link != "" {
		return k.applyProxy(c.Proxy, c.Delete)
	}
	switch {
	case c.Guest.Link != "":
		return k.applyGuest(c.Guest, c.Delete)
	case c.Way.Link != "":
		return k.applyWay(c.Way, c.Delete)
	case c.Rule.Table != 0:
		return k.applyRule(c.Rule, c.Delete)
	}
	lo, err := k.nl.LinkByName("lo")
	if err != nil {
		return err
	}
	r := &netlink.Route{
		Dst:  single(c.Local),
		Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: unix.RT_SCOPE_HOST, Protocol: Protocol, LinkIndex: lo.Attrs().Index,
	}
	if c.Delete {
		return except(k.nl.RouteDel(r), unix.ESRCH)
	}
	// Appended: the host may have the same address on its uplink, with a
	// local route of the kernel's own.
	return except(k.nl.RouteAppend(r), unix.EEXIST)
}

// missing reports whether there is no such link.
func missing(err error) bool {
	_, gone := errors.AsType[netlink.LinkNotFoundError](err)
	return gone
}

// except takes one errno for success.
func except(err error, fine unix.Errno) error {
	if errors.Is(err, fine) {
		return nil
	}
	return err
}
