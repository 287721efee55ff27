package qos

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"ispctl/converge"
)

// Kernel is the edge: the queues of the network namespace it was opened in.
type Kernel struct {
	socket  *socket
	taps    uint32 // link group
	shapers uint32
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// Open binds to the caller's network namespace. The groups are those of the
// installation's taps and shapers.
func Open(taps, shapers uint32) (*Kernel, error) {
	s, err := dial()
	if err != nil {
		return nil, err
	}
	return &Kernel{socket: s, taps: taps, shapers: shapers}, nil
}

// Close closes the socket.
func (k *Kernel) Close() { k.socket.Close() }

// Apply carries out changes in batches, since thousands may come at once: all
// interfaces first, for the others name them by number. After one that fails
// the later ones of the same port are left out.
func (k *Kernel) Apply(ctx context.Context, changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	a := applying{k: k, failed: map[string]error{}, places: map[place]bool{}, programs: map[int]int{}}
	var rest []Change
	for _, c := range changes {
		switch c.Act {
		case AddShaper:
			a.queue(c, unix.EEXIST, addShaper(c.Port.Shaper, k.shapers))
		case AddInbound:
			a.queue(c, unix.EEXIST, addShaper(c.Device, k.shapers))
		case AddCrowd:
			a.queue(c, unix.EEXIST, addCrowd(c.Device, k.shapers))
		default:
			if c.Act == SetQueue {
				a.places[place{c.Device, c.Place}] = true
			}
			rest = append(rest, c)
		}
	}
	a.flush()
	links, err := k.linksOf(rest)
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, c := range rest {
		a.change(c, links)
	}
	a.flush()
	return errors.Join(append(a.faults, a.done())...)
}

// applying is a pass: what is queued, and what has failed.
type applying struct {
	k      *Kernel
	queued []queued
	failed map[string]error
	faults []error

	places   map[place]bool // that a change of this pass is for
	programs map[int]int    // loaded, by crowd
}

type queued struct {
	change  Change
	message message
	fine    unix.Errno // that is as good as success
}

func (a *applying) queue(c Change, fine unix.Errno, m ...message) {
	for _, one := range m {
		a.queued = append(a.queued, queued{c, one, fine})
	}
}

// owner is what fails together: a port, or the uplink.
func owner(c Change) string {
	if c.Port.Tap != "" {
		return c.Port.Tap
	}
	return c.Device
}

func (a *applying) fail(c Change, err error) {
	if a.failed[owner(c)] != nil {
		return // its cause has been told
	}
	a.failed[owner(c)] = err
	err = fmt.Errorf("%s: %w", c, err)
	if c.Port.Tap != "" {
		err = &converge.Fault{Object: c.Port.Object(), Err: err}
	}
	a.faults = append(a.faults, err)
}

func (a *applying) flush() {
	messages := make([]message, len(a.queued))
	for i, q := range a.queued {
		messages[i] = q.message
	}
	_, errs := a.k.socket.all(messages)
	for i, q := range a.queued {
		err := errs[i]
		if err == nil || q.fine != 0 && errors.Is(err, q.fine) {
			continue
		}
		if gone := errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL); gone && removes(q.change.Act) {
			continue
		}
		a.fail(q.change, err)
	}
	a.queued = nil
}

// removes says whether it is well when there is nothing to remove.
func removes(a Act) bool {
	return a == DelClass || a == DelProgram || a == Release || a == DelRoot || a == ReplaceRoot || a == Straight || a == DelInbound || a == Unsend || a == DelCrowd
}

func (a *applying) change(c Change, links links) {
	if a.failed[owner(c)] != nil {
		return
	}
	tap, shaper := links[c.Port.Tap], links[shaperName(c.Port)]
	if c.Act == Release {
		a.release(c, tap, shaper)
		return
	}
	if c.Port.Tap != "" {
		switch {
		case tap.index == 0:
			a.fail(c, errors.New("the tap is not there"))
			return
		case tap.group != a.k.taps:
			a.fail(c, errors.New("the tap is not ours"))
			return
		case shaper.index == 0:
			a.fail(c, errors.New("the shaper is not there"))
			return
		case shaper.group != a.k.shapers:
			a.fail(c, fmt.Errorf("link %s is not ours", c.Port.Shaper))
			return
		}
	}
	dev := links[c.Device].index
	if dev == 0 && c.Device != "" {
		if !removes(c.Act) {
			a.fail(c, fmt.Errorf("link %s is not there", c.Device))
		}
		return
	}
	switch c.Act {
	case SetUp:
		a.queue(c, 0, setUp(c.Port.Shaper, c.Port.Alias))
	case AddRoot:
		a.addRoot(c, dev)
	case SetClass:
		a.queue(c, 0, setClass(dev, c.Class))
	case SetLeaf:
		a.queue(c, 0, setLeaf(dev, c.Class))
	case SetProgram:
		a.queue(c, 0, setProgram(dev, c.Program))
	case DelProgram:
		a.queue(c, 0, delProgram(dev))
	case DelClass:
		a.queue(c, 0, delClass(dev, c.Class.Minor))
	case Redirect:
		// Both ingress and clsact have what is needed; who made it does
		// not matter, and it stays.
		a.queue(c, unix.EEXIST, addIngress(tap.index))
		a.queue(c, 0, redirect(tap.index, atIngress, matchAll, shaper.index))
	case UpInbound, DelInbound:
		a.inbound(c, links[c.Device])
	case Divert, Straight:
		a.bridge(c, links[c.Device], links[c.Inbound])
	case DelRoot, ReplaceRoot:
		a.queue(c, 0, delRoot(dev))
		a.flush() // whoever comes next looks at what is there
	case FillCrowd, SetQueue, UpCrowd, DelCrowd, Send, Unsend:
		a.crowd(c, links[c.Device], links[c.Inbound])
	}
}

// addRoot is refused by the kernel where there is a tree, ours or another's.
func (a *applying) addRoot(c Change, dev uint32) {
	root, err := a.k.rootOf(dev)
	switch {
	case err != nil:
		a.fail(c, err)
	case root.kind == "":
		a.queue(c, 0, addRoot(dev, c.Class.Minor, unix.NLM_F_EXCL))
	case root.kind == "noqueue":
		// libvirt's, who puts it on every tap that it starts a guest with, in
		// the place of whatever is there. It queues nothing, so nothing is lost.
		a.queue(c, 0, addRoot(dev, c.Class.Minor, unix.NLM_F_REPLACE))
	case !root.ours():
		a.fail(c, fmt.Errorf("%s has a root qdisc that is not ours: %s %x: (tc qdisc del dev %s root)", c.Device, root.kind, root.handle>>16, c.Device))
	}
}

// release takes away what is ours of a port, on a tap that may be gone.
func (a *applying) release(c Change, tap, shaper link) {
	if tap.index != 0 && tap.group == a.k.taps {
		a.queue(c, 0, delRedirect(tap.index, atIngress))
		root, err := a.k.rootOf(tap.index)
		if err != nil {
			a.fail(c, err)
			return
		}
		if root.ours() {
			a.queue(c, 0, delRoot(tap.index))
		}
	}
	if shaper.index != 0 && shaper.group == a.k.shapers {
		a.queue(c, 0, delShaper(shaper.index))
	}
}

// inbound brings the interface up that what comes in waits in, or takes it away.
func (a *applying) inbound(c Change, in link) {
	switch {
	case in.group != a.k.shapers:
		a.fail(c, fmt.Errorf("link %s is not ours", c.Device))
	case c.Act == DelInbound:
		a.queue(c, 0, delShaper(in.index))
	default:
		a.queue(c, 0, setUp(c.Device, inboundAlias))
	}
}

// bridge has a zone's bridge send through the inbound interface, or no more.
func (a *applying) bridge(c Change, bridge, in link) {
	switch {
	case bridge.group != a.k.taps:
		a.fail(c, fmt.Errorf("link %s is not ours", c.Device))
	case c.Act == Straight:
		a.queue(c, 0, delRedirect(bridge.index, atEgress))
	case in.index == 0 || in.group != a.k.shapers:
		a.fail(c, fmt.Errorf("link %s is not there, or is not ours", c.Inbound))
	default:
		a.queue(c, unix.EEXIST, addClsact(bridge.index))
		a.queue(c, 0, redirect(bridge.index, atEgress, c.Program, in.index))
	}
}
