package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Counts reads the elements of a dynamic set and what they counted, in one dump
// and in no order. A table that is not there has counted nothing.
//
// It has a socket of its own and decodes only what it needs: sets of counters
// are large, and are read every few seconds.
func (k *Kernel) Counts(_ context.Context, family Family, table, set string) ([]Counted, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, errClosed
	}
	counts, err := k.counts.dump(family, table, set)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read counters %s of table %s %s: %w", set, family, table, err)
	}
	return counts, nil
}

// dumper asks for the elements of sets (NETLINK_NETFILTER; netlink(7)).
type dumper struct {
	fd   int
	seq  uint32
	buf  []byte
	last int // elements of the last dump: the next will have about as many

	tallier tallier
}

func openDumper() (*dumper, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(os.NewSyscallError("bind", err), unix.Close(fd))
	}
	// The kernel fills as much of a datagram as the reader has shown to have
	// room for, up to 32 KiB.
	return &dumper{fd: fd, buf: make([]byte, 64<<10)}, nil
}

func (d *dumper) close() error { return unix.Close(d.fd) }

// errInterrupted says that the set was changed while it was dumped: the dump
// may lack elements, or have one twice.
var errInterrupted = errors.New("the set was changed each time it was read")

func (d *dumper) dump(family Family, table, set string) ([]Counted, error) {
	const tries = 20
	for range tries {
		counts, whole, err := d.once(family, table, set, make([]Counted, 0, d.last+d.last/8))
		if err != nil {
			return nil, err
		}
		if whole {
			d.last = len(counts)
			return counts, nil
		}
	}
	return nil, errInterrupted
}

// once reads one dump to its end, and reports whether it was of one piece.
func (d *dumper) once(family Family, table, set string, into []Counted) (_ []Counted, whole bool, err error) {
	d.seq++
	if err := unix.Sendto(d.fd, d.request(family, table, set), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, false, os.NewSyscallError("sendto", err)
	}
	whole = true
	for {
		n, _, err := unix.Recvfrom(d.fd, d.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, false, os.NewSyscallError("recvfrom", err)
		}
		for b := d.buf[:n]; len(b) >= unix.SizeofNlMsghdr; {
			size := int(binary.NativeEndian.Uint32(b))
			if size < unix.SizeofNlMsghdr || size > len(b) {
				return nil, false, errCut
			}
			kind, flags, seq := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:]), binary.NativeEndian.Uint32(b[8:])
			body := b[unix.SizeofNlMsghdr:size]
			b = b[min(len(b), align4(size)):]
			if seq != d.seq {
				continue // of a dump that was given up
			}
			if flags&unix.NLM_F_DUMP_INTR != 0 {
				whole = false
			}
			switch kind {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				if len(body) >= 4 {
					if code := int32(binary.NativeEndian.Uint32(body)); code == -int32(unix.EINTR) {
						whole = false
					} else if code != 0 {
						return nil, false, unix.Errno(-code)
					}
				}
				return into, whole, nil
			case unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWSETELEM:
				if into, err = d.tallier.take(body, into); err != nil {
					return nil, false, err
				}
			}
		}
	}
}

// request is NFT_MSG_GETSETELEM for all elements (linux/netfilter/nf_tables.h).
func (d *dumper) request(family Family, table, set string) []byte {
	b := make([]byte, unix.SizeofNlMsghdr+4, 128)
	b[unix.SizeofNlMsghdr] = byte(familyOf(family)) // then a version and a resource id: 0
	for _, a := range []struct {
		kind  uint16
		value string
	}{{unix.NFTA_SET_ELEM_LIST_TABLE, table}, {unix.NFTA_SET_ELEM_LIST_SET, set}} {
		size := unix.SizeofNlAttr + len(a.value) + 1
		b = binary.NativeEndian.AppendUint16(b, uint16(size))
		b = binary.NativeEndian.AppendUint16(b, a.kind)
		b = append(b, a.value...)
		b = append(b, make([]byte, align4(size)-size+1)...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETSETELEM)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(b[8:], d.seq)
	return b
}
