package gateway

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// freeBind lets a socket be bound to an address that the host does not have yet
// (ip(7), IP_FREEBIND; it works for IPv6 as well).
func freeBind(_, _ string, raw syscall.RawConn) error {
	var err error
	outer := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1) })
	return errors.Join(outer, err)
}
