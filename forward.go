package ispctl

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Protocol is a transport protocol with ports.
type Protocol string

// The protocols a forward can carry.
const (
	TCP Protocol = "tcp"
	UDP Protocol = "udp"
)

// Listen is the outside end of a forward: an external address, a port and a
// protocol, written `203.0.113.10:2222/tcp`.
type Listen struct {
	Addr  netip.Addr
	Port  uint16
	Proto Protocol
}

// ParseListen reads `ADDRESS:PORT[/PROTO]`; the protocol defaults to tcp.
func ParseListen(s string) (Listen, error) {
	hostPort, proto, found := strings.Cut(s, "/")
	if !found {
		proto = string(TCP)
	}
	if proto != string(TCP) && proto != string(UDP) {
		return Listen{}, Invalid("forward", s, "protocol %q is not tcp or udp", proto)
	}
	ap, err := netip.ParseAddrPort(hostPort)
	if err != nil || ap.Port() == 0 || ap.Addr().Zone() != "" {
		return Listen{}, Invalid("forward", s, "is not ADDRESS:PORT/PROTO with a port of 1 to 65535")
	}
	return Listen{Addr: ap.Addr(), Port: ap.Port(), Proto: Protocol(proto)}, nil
}

// ParseListenRange reads `ADDRESS:FIRST-LAST[/PROTO]`, or what ParseListen
// reads; then last is 0.
func ParseListenRange(s string) (l Listen, last uint16, err error) {
	hostPort, proto, hasProto := strings.Cut(s, "/")
	single, end, ranged := strings.Cut(hostPort, "-")
	if !ranged {
		l, err = ParseListen(s)
		return l, 0, err
	}
	if hasProto {
		single += "/" + proto
	}
	if l, err = ParseListen(single); err != nil {
		return l, 0, err
	}
	n, err := strconv.ParseUint(end, 10, 16)
	if err != nil || uint16(n) <= l.Port {
		return l, 0, Invalid("forward", s, "is not ADDRESS:FIRST-LAST/PROTO with ports that rise up to 65535")
	}
	return l, uint16(n), nil
}

// String is the text ParseListen reads.
func (l Listen) String() string {
	return fmt.Sprintf("%s/%s", netip.AddrPortFrom(l.Addr, l.Port), l.Proto)
}

// Forward carries what arrives at Listen to a port of a VM.
type Forward struct {
	ID      int64
	Listen  Listen
	Last    uint16 // the end of a range of ports, which are carried to the same ports; 0: one port
	VM      Name
	Port    uint16
	Applied bool
}

// End is the last of its ports.
func (f Forward) End() uint16 { return max(f.Listen.Port, f.Last) }

// Overlaps reports whether both would carry one port.
func (f Forward) Overlaps(o Forward) bool {
	return f.Listen.Addr == o.Listen.Addr && f.Listen.Proto == o.Listen.Proto && f.Listen.Port <= o.End() && o.Listen.Port <= f.End()
}

// validateRange checks a range of ports by itself.
func (f Forward) validateRange() error {
	switch {
	case f.Last == 0:
		return nil
	case f.Last <= f.Listen.Port:
		return Invalid("forward", f.Outside(), "its ports do not rise")
	case f.Port != f.Listen.Port:
		return Invalid("forward", f.Outside(), "a range of ports is carried to the same ports, so to %s:%d", f.VM, f.Listen.Port)
	}
	return nil
}

// Outside is the outside end, as ParseListenRange reads it.
func (f Forward) Outside() string {
	if f.Last == 0 {
		return f.Listen.String()
	}
	return fmt.Sprintf("%s-%d/%s", netip.AddrPortFrom(f.Listen.Addr, f.Listen.Port), f.Last, f.Listen.Proto)
}

// ParseForwardTarget reads `VM:PORT`.
func ParseForwardTarget(s string) (Name, uint16, error) {
	vm, port, found := strings.Cut(s, ":")
	if !found {
		return "", 0, Invalid("forward target", s, "is not VM:PORT")
	}
	name, err := ParseName("vm", vm)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", 0, Invalid("forward target", s, "has no port of 1 to 65535")
	}
	return name, uint16(n), nil
}

// validate6 holds a forward of IPv6 to open a port of the VM's own address:
// nothing translates IPv6.
func (f Forward) validate6(vm VM) error {
	name := f.Listen.String()
	var own []netip.Addr
	for _, nic := range vm.ZoneNICs() {
		if nic.Addr6.IsValid() {
			own = append(own, nic.Addr6)
		}
	}
	switch {
	case len(own) == 0:
		return Conflicting("forward", name, "vm %q has no IPv6 address; its zone needs an IPv6 prefix", vm.Name)
	case !slices.Contains(own, f.Listen.Addr):
		return Conflicting("forward", name, "IPv6 is not translated: only a port of vm %q's own address %s can be opened", vm.Name, own[0])
	case f.Listen.Port != f.Port:
		return Conflicting("forward", name, "IPv6 is not translated: port %d of vm %q is reached as %d, not as %d", f.Port, vm.Name, f.Port, f.Listen.Port)
	}
	return nil
}

// To is the inside end, as ParseForwardTarget reads it.
func (f Forward) To() string { return fmt.Sprintf("%s:%d", f.VM, f.Port) }
