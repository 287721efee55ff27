package route

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl/converge"
)

// Kernel is the edge: the routes and sysctls of the network namespace it was
// opened in.
type Kernel struct {
	nl *netlink.Handle
	ns *os.File // its namespace, since sysctls are those of whichever thread looks
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// Open binds to the caller's network namespace.
func Open() (*Kernel, error) {
	nl, errHandle := netlink.NewHandle(unix.NETLINK_ROUTE)
	ns, errNS := os.Open(threadNS)
	if err := errors.Join(errHandle, errNS); err != nil {
		return nil, fmt.Errorf("open route netlink: %w", err)
	}
	return &Kernel{nl: nl, ns: ns}, nil
}

// Close closes the sockets.
func (k *Kernel) Close() {
	k.nl.Close()
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
	s := State{Sysctls: map[string]string{}, Locals: map[netip.Addr]bool{}}
	if err := k.inside(func() error { return readSysctls(s.Sysctls) }); err != nil {
		return s, err
	}
	routes, err := k.nl.RouteListFiltered(netlink.FAMILY_V4,
		&netlink.Route{Table: unix.RT_TABLE_LOCAL, Protocol: Protocol}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return s, fmt.Errorf("list local routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		if a, ok := netip.AddrFromSlice(r.Dst.IP.To4()); ok {
			s.Locals[a] = true
		}
	}
	return s, nil
}

func readSysctls(into map[string]string) error {
	for key, wanted := range sysctls {
		got, err := os.ReadFile(procPath(key))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			into[key] = wanted
		case err != nil:
			return fmt.Errorf("read sysctl %s: %w", key, err)
		default:
			into[key] = strings.TrimSpace(string(got))
		}
	}
	return nil
}

func procPath(key string) string {
	return filepath.Join("/proc/sys", strings.ReplaceAll(key, ".", "/"))
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
	lo, err := k.nl.LinkByName("lo")
	if err != nil {
		return err
	}
	r := &netlink.Route{
		Dst:  &net.IPNet{IP: c.Local.AsSlice(), Mask: net.CIDRMask(c.Local.BitLen(), c.Local.BitLen())},
		Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: unix.RT_SCOPE_HOST, Protocol: Protocol, LinkIndex: lo.Attrs().Index,
	}
	if c.Delete {
		return except(k.nl.RouteDel(r), unix.ESRCH)
	}
	// Appended: the host may have the same address on its uplink, with a
	// local route of the kernel's own.
	return except(k.nl.RouteAppend(r), unix.EEXIST)
}

// except takes one errno for success.
func except(err error, fine unix.Errno) error {
	if errors.Is(err, fine) {
		return nil
	}
	return err
}
