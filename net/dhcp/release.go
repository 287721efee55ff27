package dhcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// release tells a server, in the name of hosts that are gone, that they give
// their addresses back. It believes that only of what comes in by its link: the
// datagram is bound to the link and so, although it goes by lo, seen as from
// there (dhcp_release(1) does the same).
func (k *Kernel) release(s Server, gone []Host) (err error) {
	at := slices.IndexFunc(s.Sockets, func(one Socket) bool { return one.Port == dhcpPort })
	if at < 0 || len(gone) == 0 {
		return nil
	}
	link, err := k.nl.LinkByName(s.Sockets[at].Link)
	if err != nil {
		return fmt.Errorf("release leases: %w", err)
	}
	addrs, err := whole(func() ([]netlink.Addr, error) { return k.nl.AddrList(link, netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("release leases: %w", err)
	}
	if len(addrs) == 0 {
		return fmt.Errorf("release leases: %s has no address", link.Attrs().Name)
	}
	server, _ := netip.AddrFromSlice(addrs[0].IP.To4())
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("release leases: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := unix.BindToDevice(fd, link.Attrs().Name); err != nil {
		return fmt.Errorf("release leases: bind to %s: %w", link.Attrs().Name, err)
	}
	for _, h := range gone {
		message, err := releaseMessage(server, h)
		if err == nil {
			err = unix.Sendto(fd, message, 0, &unix.SockaddrInet4{Port: dhcpPort, Addr: server.As4()})
		}
		if err != nil {
			return fmt.Errorf("release lease of %s: %w", h.Name, err)
		}
	}
	return nil
}

// releaseMessage is a DHCPRELEASE (RFC 2131, table 5). It bears no client
// identifier: the server then goes by the MAC.
func releaseMessage(server netip.Addr, h Host) ([]byte, error) {
	const (
		bootRequest, ethernet  = 1, 1
		ciaddr, chaddr         = 12, 28
		options                = 236
		cookie                 = 0x63825363
		messageType, isRelease = 53, 7
		serverID, end          = 54, 255
		size                   = 300 // BOOTP's; some drop what is shorter
	)
	mac, err := net.ParseMAC(h.MAC)
	if err != nil {
		return nil, err
	}
	m := make([]byte, options, size)
	m[0], m[1], m[2] = bootRequest, ethernet, byte(len(mac))
	copy(m[ciaddr:], h.Addr.AsSlice())
	copy(m[chaddr:], mac)
	m = binary.BigEndian.AppendUint32(m, cookie)
	m = append(m, messageType, 1, isRelease, serverID, 4)
	m = append(m, server.AsSlice()...)
	m = append(m, end)
	return m[:size], nil
}
