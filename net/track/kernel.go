package track

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl/converge"
)

// Kernel is the edge: the connections of the network namespace it was opened
// in.
type Kernel struct{ nl *netlink.Handle }

var _ converge.Target[State, Change] = (*Kernel)(nil)

// Open binds to the caller's network namespace.
func Open() (*Kernel, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open conntrack netlink: %w", err)
	}
	return &Kernel{handle}, nil
}

// Close closes the socket.
func (k *Kernel) Close() { k.nl.Close() }

var families = []netlink.InetFamily{unix.AF_INET, unix.AF_INET6}

// Observe reads the connections. Of a table that changes while it is read some
// may be missing; the next pass sees them.
func (k *Kernel) Observe(context.Context) (State, error) {
	var s State
	for _, family := range families {
		flows, err := k.nl.ConntrackTableList(netlink.ConntrackTable, family)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return State{}, fmt.Errorf("list connections (the kernel needs nf_conntrack_netlink): %w", err)
		}
		for _, f := range flows {
			s.Conns = append(s.Conns, connOf(f))
		}
	}
	// Pings between the same two are one: their numbers are not read.
	slices.SortFunc(s.Conns, compare)
	s.Conns = slices.Compact(s.Conns)
	return s, nil
}

// Apply forgets connections. One that is gone is success.
func (k *Kernel) Apply(_ context.Context, changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	these := filter{}
	for _, c := range changes {
		these[c.Conn] = true
	}
	var errs []error
	for _, family := range families {
		if _, err := k.nl.ConntrackDeleteFilters(netlink.ConntrackTable, family, these); err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			errs = append(errs, fmt.Errorf("forget connections: %w", err))
		}
	}
	return errors.Join(errs...)
}

// filter are connections that are meant.
type filter map[Conn]bool

// MatchConntrackFlow reports whether one of them is.
func (f filter) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool { return f[connOf(flow)] }

func connOf(f *netlink.ConntrackFlow) Conn {
	return Conn{
		Proto: f.Forward.Protocol,
		Src:   end(f.Forward.SrcIP, f.Forward.SrcPort), Dst: end(f.Forward.DstIP, f.Forward.DstPort),
		ReplySrc: end(f.Reverse.SrcIP, f.Reverse.SrcPort), ReplyDst: end(f.Reverse.DstIP, f.Reverse.DstPort),
	}
}

func end(ip net.IP, port uint16) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), port)
}

func compare(a, b Conn) int {
	for _, ends := range [][2]netip.AddrPort{{a.Src, b.Src}, {a.Dst, b.Dst}, {a.ReplySrc, b.ReplySrc}, {a.ReplyDst, b.ReplyDst}} {
		if c := ends[0].Compare(ends[1]); c != 0 {
			return c
		}
	}
	return int(a.Proto) - int(b.Proto)
}
