package flows

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/ti-mo/conntrack"
	"github.com/ti-mo/netfilter"
	"golang.org/x/sys/unix"
)

// Way is what passed in one direction. Bytes are those of the link.
type Way struct{ Packets, Bytes uint64 }

// Conn is a connection and what it has carried, as its first packet had its
// ends, and as the answers do.
type Conn struct {
	ID                 uint32 // the kernel's
	Proto              uint8  // IANA's number
	Src, Dst           netip.AddrPort
	ReplySrc, ReplyDst netip.AddrPort
	Orig, Reply        Way
}

// ErrLost says that events were lost: nobody read them fast enough.
var ErrLost = errors.New("connections ended faster than they could be counted")

// accounting is the sysctl by which the kernel counts what connections carry.
const accounting = "/proc/sys/net/netfilter/nf_conntrack_acct"

// Count lets the kernel count, in the caller's network namespace, what
// connections carry that are opened from now on.
func Count() error {
	have, err := os.ReadFile(accounting)
	if err != nil {
		return fmt.Errorf("count connections (the kernel needs nf_conntrack): %w", err)
	}
	if len(have) > 0 && have[0] == '1' {
		return nil
	}
	return os.WriteFile(accounting, []byte("1\n"), 0o644)
}

// Dump reads all connections of the caller's network namespace.
func Dump(context.Context) ([]Conn, error) {
	c, err := conntrack.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("open conntrack netlink: %w", err)
	}
	defer c.Close() //nolint:errcheck // it was only read
	all, err := c.Dump(nil)
	if err != nil {
		return nil, fmt.Errorf("list connections (the kernel needs nf_conntrack_netlink): %w", err)
	}
	conns := make([]Conn, 0, len(all))
	for i := range all {
		conns = append(conns, connOf(&all[i]))
	}
	return conns, nil
}

// Listener hands on connections that end.
type Listener struct {
	Ended  <-chan Conn
	Failed <-chan error // one; nothing more comes after it

	conn   *conntrack.Conn
	events <-chan conntrack.Event
	errs   <-chan error
	stop   context.CancelFunc
	done   chan struct{}
}

// receiveBuffer has room for some ten thousand connections that end at once.
const receiveBuffer = 16 << 20

// Listen hears of connections that end in the caller's network namespace.
func Listen(ctx context.Context) (*Listener, error) {
	conn, err := conntrack.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("open conntrack netlink: %w", err)
	}
	// What it may not have it has less of; the kernel says when it was too little.
	_ = conn.SetReadBuffer(receiveBuffer)
	events := make(chan conntrack.Event, 256)
	errs, err := conn.Listen(events, 1, []netfilter.NetlinkGroup{netfilter.GroupCTDestroy})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for connections that end (the kernel needs nf_conntrack_netlink): %w", err), conn.Close())
	}
	ctx, stop := context.WithCancel(ctx)
	ended, failed := make(chan Conn), make(chan error, 1)
	l := &Listener{Ended: ended, Failed: failed, conn: conn, events: events, errs: errs, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for {
			select {
			case e := <-events:
				if e.Type != conntrack.EventDestroy || e.Flow == nil {
					continue
				}
				select {
				case ended <- connOf(e.Flow):
				case <-ctx.Done():
				}
			case err := <-errs:
				if errors.Is(err, unix.ENOBUFS) {
					err = ErrLost
				}
				failed <- err
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return l, nil
}

// Close ends it. Its worker may be about to hand something on, and is let.
func (l *Listener) Close() error {
	l.stop()
	<-l.done
	closed := make(chan error, 1)
	go func() { closed <- l.conn.Close() }()
	for {
		select {
		case <-l.events:
		case <-l.errs:
		case err := <-closed:
			return err
		}
	}
}

func connOf(f *conntrack.Flow) Conn {
	return Conn{
		ID: f.ID, Proto: f.TupleOrig.Proto.Protocol,
		Src: source(f.TupleOrig), Dst: dest(f.TupleOrig), ReplySrc: source(f.TupleReply), ReplyDst: dest(f.TupleReply),
		Orig: way(f.CountersOrig), Reply: way(f.CountersReply),
	}
}

func source(t conntrack.Tuple) netip.AddrPort {
	return netip.AddrPortFrom(t.IP.SourceAddress.Unmap(), t.Proto.SourcePort)
}

func dest(t conntrack.Tuple) netip.AddrPort {
	return netip.AddrPortFrom(t.IP.DestinationAddress.Unmap(), t.Proto.DestinationPort)
}

// etherHeader is what the kernel's counts lack of the link's.
const etherHeader = 14

func way(c conntrack.Counter) Way {
	return Way{Packets: c.Packets, Bytes: c.Bytes + etherHeader*c.Packets}
}
