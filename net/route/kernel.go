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
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl/converge"
)

// Kernel is the edge: the routes and sysctls of the network namespace it was
// opened in.
type Kernel struct {
	nl *netlink.Handle
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// Open binds to the caller's network namespace.
func Open() (*Kernel, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open route netlink: %w", err)
	}
	return &Kernel{nl: nl}, nil
}

// Close closes the sockets.
func (k *Kernel) Close() { k.nl.Close() }

// Observe reads the sysctls we care for and the routes that bear our protocol.
func (k *Kernel) Observe(context.Context) (State, error) {
	s := State{Sysctls: map[string]string{}, Locals: map[netip.Addr]bool{}}
	for key, wanted := range sysctls {
		got, err := os.ReadFile(procPath(key))
		if errors.Is(err, fs.ErrNotExist) {
			s.Sysctls[key] = wanted
			continue
		}
		if err != nil {
			return s, fmt.Errorf("read sysctl %s: %w", key, err)
		}
		s.Sysctls[key] = strings.TrimSpace(string(got))
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
		return os.WriteFile(procPath(c.Sysctl), []byte(c.Value), 0o644)
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
