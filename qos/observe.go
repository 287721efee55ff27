package qos

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ispctl/internal/nlattr"
)

// link is what we look at of a network interface.
type link struct {
	index, group uint32
	name, alias  string
	kind         string
	up           bool
}

type links map[string]link

func (k *Kernel) links() (links, error) {
	all := links{}
	err := k.socket.dump(unix.RTM_GETLINK, attr(ifinfo(0, 0, 0), unix.IFLA_EXT_MASK, number(nlattr.SkipStats)), func(b []byte) error {
		all.add(b)
		return nil
	})
	return all, err
}

// askedByName is up to how many links are asked for one by one. A list of all
// takes longer the more guests there are, though a change concerns one.
const askedByName = 64

// linksOf are those of the links that changes name which are there.
func (k *Kernel) linksOf(changes []Change) (links, error) {
	names := map[string]bool{}
	for _, c := range changes {
		of := []string{c.Device, c.Inbound}
		if c.Port.Tap != "" {
			of = append(of, c.Port.Tap, shaperName(c.Port))
		}
		for _, name := range of {
			if name != "" && len(name) < unix.IFNAMSIZ {
				names[name] = true
			}
		}
		if len(names) > askedByName {
			return k.links()
		}
	}
	var questions []message
	for name := range names {
		questions = append(questions, message{unix.RTM_GETLINK, 0, attr(ifinfo(0, 0, 0), unix.IFLA_IFNAME, text(name))})
	}
	answers, errs := k.socket.all(questions)
	all := links{}
	for i, err := range errs {
		switch {
		case errors.Is(err, unix.ENODEV):
		case err != nil:
			return nil, err
		default:
			all.add(answers[i])
		}
	}
	return all, nil
}

func (all links) add(b []byte) {
	if len(b) < unix.SizeofIfInfomsg {
		return
	}
	attrs := nlattr.Attributes(b[unix.SizeofIfInfomsg:])
	l := link{
		index: binary.NativeEndian.Uint32(b[4:]), up: binary.NativeEndian.Uint32(b[8:])&unix.IFF_UP != 0,
		name: attrs.Find(unix.IFLA_IFNAME).Text(), alias: attrs.Find(unix.IFLA_IFALIAS).Text(), kind: attrs.Find(linkInfo).Find(linkInfoKind).Text(),
		group: uint32(attrs.Find(unix.IFLA_GROUP).Number()),
	}
	all[l.name] = l
}

// Octets is what has passed a tap: to its guest, and from it.
type Octets struct{ Down, Up uint64 }

// Where struct rtnl_link_stats64 (linux/if_link.h) has bytes received and sent,
// as the host sees them.
const (
	statsReceived = 16
	statsSent     = 24
	linkStats64   = 23
)

// Traffic reads what has passed every tap of ours since it was made.
func (k *Kernel) Traffic() (map[string]Octets, error) {
	all := map[string]Octets{}
	err := k.socket.dump(unix.RTM_GETLINK, ifinfo(0, 0, 0), func(b []byte) error {
		if len(b) < unix.SizeofIfInfomsg {
			return nil
		}
		attrs := nlattr.Attributes(b[unix.SizeofIfInfomsg:])
		stats, group := attrs.Find(linkStats64), attrs.Find(unix.IFLA_GROUP)
		if len(stats) < statsSent+8 || len(group) != 4 || binary.NativeEndian.Uint32(group) != k.taps {
			return nil
		}
		all[attrs.Find(unix.IFLA_IFNAME).Text()] = Octets{
			Down: binary.NativeEndian.Uint64(stats[statsSent:]), Up: binary.NativeEndian.Uint64(stats[statsReceived:]),
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	return all, nil
}

// qdisc is what we look at of a queueing discipline.
type qdisc struct {
	index, handle, parent uint32
	kind                  string
	limit                 uint32
	rest                  uint16 // of an HTB, the class of what is in none
	queue                 Queue  // of a token bucket
}

func (q qdisc) ours() bool { return q.kind == "htb" && q.handle == Major<<16 && q.parent == atRoot }

func (k *Kernel) qdiscs(each func(qdisc)) error {
	return k.socket.dump(unix.RTM_GETQDISC, tcmsg{}.bytes(), func(b []byte) error {
		t, attrs, ok := readTcmsg(b)
		if !ok {
			return nil
		}
		q := qdisc{index: t.index, handle: t.handle, parent: t.parent, kind: attrs.Find(tcaKind).Text()}
		if options := attrs.Find(tcaOptions); q.kind == string(FIFO) && len(options) == 4 {
			q.limit = binary.NativeEndian.Uint32(options)
		}
		if glob := attrs.Find(tcaOptions).Find(htbInit); q.kind == "htb" && len(glob) >= 12 {
			q.rest = uint16(binary.NativeEndian.Uint32(glob[8:]))
		}
		if q.kind == "tbf" {
			q.queue, _ = readQueue(attrs.Find(tcaOptions))
		}
		each(q)
		return nil
	})
}

// rootOf is the root qdisc that somebody gave a device; the zero one: nobody
// did.
func (k *Kernel) rootOf(index uint32) (root qdisc, err error) {
	// Without NLM_F_ECHO all who listen are answered but who asked.
	answers, errs := k.socket.all([]message{{unix.RTM_GETQDISC, unix.NLM_F_ECHO, tcmsg{index, 0, atRoot, 0}.bytes()}})
	if errs[0] != nil {
		return root, fmt.Errorf("read root qdisc: %w", errs[0])
	}
	t, attrs, ok := readTcmsg(answers[0])
	if !ok || t.handle == 0 {
		return root, nil // the kernel's own, in want of any other
	}
	return qdisc{index: t.index, handle: t.handle, parent: t.parent, kind: attrs.Find(tcaKind).Text()}, nil
}

// Observe reads what is ours: shapers, trees and filters.
func (k *Kernel) Observe(context.Context) (State, error) {
	links, err := k.links()
	if err != nil {
		return State{}, fmt.Errorf("list links: %w", err)
	}
	rooted, ingress, clsact := map[uint32]qdisc{}, map[uint32]bool{}, map[uint32]bool{}
	leaves, queues := map[uint32]map[uint16]qdisc{}, newQueues()
	err = k.qdiscs(func(q qdisc) {
		switch {
		case queues.take(q):
		case q.ours():
			rooted[q.index] = q
		case q.handle == ingressQdisc:
			ingress[q.index], clsact[q.index] = true, q.kind == "clsact"
		case q.parent>>16 == Major:
			if leaves[q.index] == nil {
				leaves[q.index] = map[uint16]qdisc{}
			}
			leaves[q.index][uint16(q.parent)] = q
		}
	})
	if err != nil {
		return State{}, fmt.Errorf("list qdiscs: %w", err)
	}
	trees, err := k.trees(rooted, leaves)
	if err != nil {
		return State{}, err
	}
	s := NewState()
	var redirected, diverted, senders []link
	for _, l := range links {
		if clsact[l.index] && (l.group != k.taps || l.kind == "bridge") {
			senders = append(senders, l)
		}
		_, crowd := crowdNumber(l.name)
		switch {
		case crowd && l.group == k.shapers && l.kind == "ifb":
			s.Crowds[l.name] = queues.crowd(l)
		case l.group == k.shapers && l.kind == "ifb" && strings.HasSuffix(l.name, "u"):
			p := s.port(strings.TrimSuffix(l.name, "u"))
			p.Shaper, p.Up, p.Alias, p.FromGuest = l.name, l.up, l.alias, trees[l.index]
			s.Ports[p.Tap] = p
		case l.group == k.shapers && l.kind == "ifb":
			s.Inbound.Device, s.Inbound.Up = l.name, l.up
			if rooted[l.index].ours() {
				s.Uplink[l.name] = trees[l.index]
			}
		case l.group == k.taps && l.kind == "bridge":
			if clsact[l.index] {
				diverted = append(diverted, l)
			}
		case l.group == k.taps:
			if rooted[l.index].ours() {
				p := s.port(l.name)
				p.ToGuest = trees[l.index]
				s.Ports[p.Tap] = p
			}
			if ingress[l.index] {
				redirected = append(redirected, l)
			}
		case rooted[l.index].ours():
			s.Uplink[l.name] = trees[l.index]
		}
	}
	k.redirections(s, links, redirected)
	k.diversions(s, links, diverted)
	return s, k.sends(s, links, senders)
}

func (s State) port(tap string) Port {
	p := s.Ports[tap]
	p.Tap = tap
	return p
}

// redirections notes which taps send what comes out of them to their shaper.
func (k *Kernel) redirections(s State, all links, taps []link) {
	requests := make([]message, len(taps))
	for i, l := range taps {
		requests[i] = getRedirect(l.index, atIngress)
	}
	answers, _ := k.socket.all(requests) // an error: there is none
	for i, l := range taps {
		which, to := readRedirect(answers[i])
		if to == 0 || which != matchAll {
			continue
		}
		p := s.port(l.name)
		p.Redirected = p.Shaper != "" && all[p.Shaper].index == to
		s.Ports[l.name] = p
	}
}

// diversions notes which bridges send through the inbound interface, and what.
func (k *Kernel) diversions(s State, all links, bridges []link) {
	requests := make([]message, len(bridges))
	for i, l := range bridges {
		requests[i] = getRedirect(l.index, atEgress)
	}
	answers, _ := k.socket.all(requests) // an error: there is none
	for i, l := range bridges {
		which, to := readRedirect(answers[i])
		if which == "" {
			continue
		}
		if in := s.Inbound.Device; in == "" || to == 0 || all[in].index != to {
			which = "" // it leads nowhere, and takes all with it
		}
		s.Inbound.Bridges[l.name] = which
	}
}

// trees reads the trees of devices that have one of ours.
func (k *Kernel) trees(rooted map[uint32]qdisc, leaves map[uint32]map[uint16]qdisc) (map[uint32]Tree, error) {
	all := make(map[uint32]Tree, len(rooted))
	var devices []uint32
	for index := range rooted {
		devices = append(devices, index)
	}
	requests := make([]message, len(devices))
	for i, index := range devices {
		requests[i] = getProgram(index)
	}
	answers, _ := k.socket.all(requests) // an error: there is none
	for i, index := range devices {
		classes, err := k.classes(index, leaves[index])
		if err != nil {
			return nil, fmt.Errorf("list classes: %w", err)
		}
		all[index] = Tree{Rooted: true, Default: rooted[index].rest, Classes: classes, Program: readProgram(answers[i])}
	}
	return all, nil
}

func (k *Kernel) classes(index uint32, leaves map[uint16]qdisc) ([]Class, error) {
	var all []Class
	err := k.socket.dump(unix.RTM_GETTCLASS, tcmsg{index: index}.bytes(), func(b []byte) error {
		t, attrs, ok := readTcmsg(b)
		if !ok {
			return nil
		}
		c, ok := readClass(t, attrs)
		if !ok {
			return nil
		}
		if leaf, there := leaves[c.Minor]; there {
			c.Leaf, c.Limit = Kind(leaf.kind), leaf.limit
		}
		all = append(all, c)
		return nil
	})
	slices.SortFunc(all, func(a, b Class) int { return cmp.Compare(a.Minor, b.Minor) })
	return all, err
}
