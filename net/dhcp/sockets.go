package dhcp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl"
)

// listening are the sockets of our network namespace on the ports of servers,
// by inode. A link that has gone has its number for a name: a server that
// listens on it hears nobody.
func (k *Kernel) listening() (map[uint32]Socket, error) {
	var sockets []*netlink.Socket
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		some, err := whole(func() ([]*netlink.Socket, error) { return k.nl.SocketDiagUDP(family) })
		if err != nil {
			return nil, fmt.Errorf("list sockets: %w", err)
		}
		sockets = append(sockets, some...)
	}
	all := map[uint32]Socket{}
	for _, s := range sockets {
		if port := s.ID.SourcePort; port != dnsPort && port != dhcpPort && port != dhcp6Port {
			continue
		}
		addr, _ := netip.AddrFromSlice(s.ID.Source)
		if s.ID.Source.To4() != nil {
			addr = addr.Unmap()
		}
		one := Socket{Port: s.ID.SourcePort, Addr: addr}
		if i := s.ID.Interface; i != 0 {
			one.Link = strconv.Itoa(int(i))
			link, err := k.nl.LinkByIndex(int(i))
			if _, gone := errors.AsType[netlink.LinkNotFoundError](err); err != nil && !gone {
				return nil, fmt.Errorf("link %d: %w", i, err)
			}
			if err == nil {
				one.Link = link.Attrs().Name
			}
		}
		all[s.INode] = one
	}
	return all, nil
}

// socketsOf are those of listening that a process holds.
func socketsOf(pid int, listening map[uint32]Socket) []Socket {
	var all []Socket
	for _, inode := range inodes(pid) {
		if s, ok := listening[inode]; ok {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, compareSockets)
	return all
}

// inodes are those of the sockets that a process holds; none of one that is
// gone.
func inodes(pid int) []uint32 {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []uint32
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		text, isSocket := strings.CutPrefix(to, "socket:[")
		inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 32)
		if isSocket && err == nil {
			all = append(all, uint32(inode))
		}
	}
	return all
}

// inTheWay says who has a socket that a server needs, or nil. Of a process that
// is about to end there is only the socket left: nobody has that one.
func (k *Kernel) inTheWay(s Server) error {
	for _, ask := range []func(uint8) ([]*netlink.Socket, error){k.nl.SocketDiagUDP, k.nl.SocketDiagTCP} {
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			found, err := whole(func() ([]*netlink.Socket, error) { return ask(family) })
			if err != nil {
				return fmt.Errorf("list sockets: %w", err)
			}
			for _, one := range found {
				addr, _ := netip.AddrFromSlice(one.ID.Source)
				addr = addr.Unmap()
				for _, want := range s.Sockets {
					if one.ID.SourcePort != want.Port || one.ID.DestinationPort != 0 || !addr.IsUnspecified() && addr != want.Addr {
						continue
					}
					if who := holder(one.INode); who != "" {
						return &ispctl.Error{
							Kind: ispctl.Conflict, Object: fmt.Sprintf("port %d of %s", want.Port, want.Addr), Cause: "is taken by " + who,
							Next: "end it, or keep it off the bridges of zones; then: ispctl converge",
						}
					}
				}
			}
		}
	}
	return nil
}

// holder names the process that has a socket, if any.
func holder(inode uint32) string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return ""
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !slices.Contains(inodes(pid), inode) {
			continue
		}
		name, err := os.ReadFile(filepath.Join("/proc", e.Name(), "comm"))
		if err == nil {
			return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}

// whole repeats a dump that the kernel says was interrupted by a change.
func whole[T any](dump func() (T, error)) (T, error) {
	const tries = 10
	var all T
	var err error
	for range tries {
		if all, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}
