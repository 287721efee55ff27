package nft

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// barrier waits until no transaction is being committed, anybody's.
//
// The kernel numbers a new generation first and makes its parts visible one
// after the other: on Linux 6.1, whoever asks for the number and looks at once
// may see a set that is still empty, of a generation that has been counted
// already (net/netfilter/nf_tables_api.c, nf_tables_commit). All that time the
// writer holds a lock. An empty transaction needs the same lock; it makes no
// generation of its own, and the system call returns when the kernel is done
// with it.
func (d *dumper) barrier() error {
	var b []byte
	for _, kind := range []uint16{unix.NFNL_MSG_BATCH_BEGIN, unix.NFNL_MSG_BATCH_END} {
		b = binary.NativeEndian.AppendUint32(b, unix.SizeofNlMsghdr+4)
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
		b = append(b, make([]byte, 8)...) // no number, no port: nobody answers
		b = append(b, unix.AF_UNSPEC, unix.NFNETLINK_V0)
		b = binary.BigEndian.AppendUint16(b, unix.NFNL_SUBSYS_NFTABLES)
	}
	return os.NewSyscallError("sendto", unix.Sendto(d.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
}
