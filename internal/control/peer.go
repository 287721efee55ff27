package control

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Peer is who is at the other end of a socket, as the kernel has it from the
// moment the connection was made.
type Peer struct {
	UID    uint32
	GID    uint32
	Groups []uint32 // supplementary ones
}

// In reports whether a group is one of the peer's.
func (p Peer) In(gid uint32) bool { return p.GID == gid || slices.Contains(p.Groups, gid) }

func peerOf(conn *net.UnixConn) (Peer, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var p Peer
	var inner error
	outer := raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); inner == nil {
			p.UID, p.GID = cred.Uid, cred.Gid
			p.Groups, inner = peerGroups(fd)
		}
	})
	if err := errors.Join(outer, inner); err != nil {
		return Peer{}, fmt.Errorf("ask who calls: %w", err)
	}
	return p, nil
}

// peerGroups asks for SO_PEERGROUPS (Linux 4.13), for which x/sys has no function.
func peerGroups(fd uintptr) ([]uint32, error) {
	const size = 4
	for room := 64; ; {
		buf := make([]byte, room*size)
		n := uint32(len(buf))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&n)), 0) //nolint:gosec // as getsockopt(2) wants it
		switch {
		case errno == unix.ERANGE && int(n) > len(buf):
			room = int(n) / size
			continue
		case errno != 0:
			return nil, errno
		}
		groups := make([]uint32, 0, n/size)
		for b := buf[:n]; len(b) >= size; b = b[size:] {
			groups = append(groups, binary.NativeEndian.Uint32(b))
		}
		return groups, nil
	}
}
