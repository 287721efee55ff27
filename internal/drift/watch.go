package drift

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Marks say what is ours.
type Marks struct {
	Tables   string   // what the names of nftables tables begin with
	Links    string   // what the names of links begin with
	Named    []string // links that are not ours but matter, such as the uplink
	Group    uint32   // of links
	Protocol uint8    // of routes
}

// Event is that something was changed.
type Event struct {
	What string // "nftables", "link isp-dmz", ...
	By   string // the program that did, where the kernel says: "nft, process 4711"
}

// Watch is an open ear.
type Watch struct {
	marks  Marks
	tables *netlink.Conn
	routes *netlink.Conn
	events chan Event

	ours map[int32]string // links of ours by their number
}

// The groups of rtnetlink that matter (linux/rtnetlink.h), as bits.
const routeGroups = 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_TC-1) |
	1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1) |
	1<<(unix.RTNLGRP_IPV4_ROUTE-1) | 1<<(unix.RTNLGRP_IPV6_ROUTE-1) |
	1<<(unix.RTNLGRP_IPV4_RULE-1) | 1<<(unix.RTNLGRP_IPV6_RULE-1) |
	1<<(unix.RTNLGRP_IPV4_NETCONF-1) | 1<<(unix.RTNLGRP_IPV6_NETCONF-1)

// buffer holds what the kernel says while somebody flushes a table of some ten
// thousand elements. What does not fit is not lost: to have missed something is
// an event.
const buffer = 4 << 20

// Open binds to the caller's network namespace.
func Open(m Marks) (*Watch, error) {
	w := &Watch{marks: m, events: make(chan Event, 64), ours: map[int32]string{}}
	var errTables, errRoutes error
	w.tables, errTables = netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
	w.routes, errRoutes = netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: routeGroups})
	if err := errors.Join(errTables, errRoutes); err != nil {
		return nil, errors.Join(fmt.Errorf("listen to netlink: %w", err), w.close())
	}
	for _, c := range []*netlink.Conn{w.tables, w.routes} {
		_ = c.SetReadBuffer(buffer) // what it may not have it can do without
	}
	links, err := net.Interfaces()
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	for _, l := range links {
		w.know(int32(l.Index), l.Name, 0)
	}
	return w, nil
}

func (w *Watch) close() error {
	var errs []error
	for _, c := range []*netlink.Conn{w.tables, w.routes} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// Events tells what happens. When nobody takes them for a while, further ones
// are left out: there is a reason to look already. The channel is closed when
// listening has ended.
func (w *Watch) Events() <-chan Event { return w.events }

// Listen listens until ctx ends, or fails.
func (w *Watch) Listen(ctx context.Context) error {
	defer close(w.events)
	ended := make(chan error, 2)
	go func() { ended <- w.hear(w.tables, w.nftables()) }()
	go func() { ended <- w.hear(w.routes, w.route) }()
	var err error
	left := 2
	select {
	case <-ctx.Done():
	case err = <-ended:
		left--
	}
	err = errors.Join(err, w.close())
	for range left {
		<-ended // what closing it ended
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (w *Watch) hear(c *netlink.Conn, read func(netlink.Message) (Event, bool)) error {
	for {
		messages, err := c.Receive()
		if errors.Is(err, unix.ENOBUFS) {
			w.tell(Event{What: "more than could be heard"})
			continue
		}
		if err != nil {
			return err
		}
		for _, m := range messages {
			if e, matters := read(m); matters {
				w.tell(e)
			}
		}
	}
}

func (w *Watch) tell(e Event) {
	select {
	case w.events <- e:
	default:
	}
}

// know notes whether a link is ours, and returns its name if it is.
func (w *Watch) know(index int32, name string, group uint32) (string, bool) {
	m := w.marks
	if group != 0 && group == m.Group || len(name) >= len(m.Links) && name[:len(m.Links)] == m.Links || slices.Contains(m.Named, name) {
		w.ours[index] = name
		return name, true
	}
	return "", false
}
