package nft

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"ispctl/converge"
)

// Kernel is the edge: the tables of one name in the network namespace it was
// opened in. It may be used from several goroutines.
type Kernel struct {
	mu   sync.Mutex // answers on one socket belong to whoever asked last
	conn *nftables.Conn
	name string

	counts *dumper

	// Of a closed connection the library opens another one when it is next
	// used, in whatever network namespace the caller is by then.
	closed bool
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// socketBuffer holds one transaction of 10,000 elements and its answers. It is
// forced, past net.core.wmem_max, because a transaction cannot be split.
const socketBuffer = 16 << 20

var errClosed = fmt.Errorf("nftables: %w", os.ErrClosed)

// Open binds to the caller's network namespace. The tables called name and
// their parts ([Part]), in every family, are ours; no other is read or written.
func Open(name string) (*Kernel, error) {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(forceBuffers))
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	counts, err := openDumper()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open nftables: %w", err), conn.CloseLasting())
	}
	return &Kernel{conn: conn, name: name, counts: counts}, nil
}

// Close closes the socket. Whatever is asked of the edge afterwards fails with
// [os.ErrClosed].
func (k *Kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return errClosed
	}
	k.closed = true
	return errors.Join(k.counts.close(), k.conn.CloseLasting())
}

func forceBuffers(c *netlink.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer))
	})
	return errors.Join(err, set)
}

// maxRefusal is how much of a transaction an error quotes: one of 10,000
// elements would fill the journal.
const maxRefusal = 4 << 10

// Apply carries out all changes in one transaction, or none.
func (k *Kernel) Apply(_ context.Context, changes []Change) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return errClosed
	}
	if len(changes) == 0 {
		return nil
	}
	err := k.commit(changes)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOBUFS) {
		// Somebody was here since we looked: what was to be taken out is gone
		// or in use, or what was to be put in is there with another value. Or
		// the kernel's answer was lost, and the change may have been made.
		// Look, and do what is left.
		have, observeErr := k.observe()
		if observeErr != nil {
			return errors.Join(err, observeErr)
		}
		if changes = Diff(after(have, changes), have); len(changes) == 0 {
			return nil
		}
		for i := range changes {
			changes[i].Old = Table{} // what replaces all of it is never refused
		}
		err = k.commit(changes)
	}
	if err != nil {
		var text strings.Builder
		for _, c := range changes {
			if text.Len() < maxRefusal {
				text.WriteString("\n" + c.String())
			}
		}
		return fmt.Errorf("nftables refused the transaction, the old rules stand: %w%.*s", err, maxRefusal, text.String())
	}
	return nil
}
