package cli

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ispctl/operations"
)

// sshEnv is what sshd(8) tells a session about its connection.
const sshEnv = "SSH_CONNECTION"

// caller is the connection by which this command was called. Where sudo(8) has
// dropped the variable, it is still with the shell that sudo was called from.
func caller() operations.Connection {
	said := os.Getenv(sshEnv)
	for pid := os.Getppid(); said == "" && pid > 1; pid = parent(pid) {
		said = environ(pid, sshEnv)
	}
	c, err := operations.ParseConnection(said)
	if err != nil {
		return operations.Connection{}
	}
	c.Interface = holder(c.Server.Addr())
	return c
}

// environ is a variable of another process; empty if it cannot be read.
func environ(pid int, name string) string {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		return ""
	}
	for entry := range strings.SplitSeq(string(data), "\x00") {
		if value, is := strings.CutPrefix(entry, name+"="); is {
			return value
		}
	}
	return ""
}

// parent is the parent of a process; 0 if it cannot be read.
func parent(pid int) int {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if value, is := strings.CutPrefix(line, "PPid:"); is {
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
				return n
			}
		}
	}
	return 0
}

// holder is the interface that has an address; empty if none has. It takes one
// dump of all addresses: net.Interface.Addrs would take one for each tap.
func holder(a netip.Addr) string {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return ""
	}
	defer handle.Close()
	all, err := handle.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return ""
	}
	for _, one := range all {
		if ip, ok := netip.AddrFromSlice(one.IP); ok && ip.Unmap() == a {
			if i, err := net.InterfaceByIndex(one.LinkIndex); err == nil {
				return i.Name
			}
		}
	}
	return ""
}
