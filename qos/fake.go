package qos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ispctl/converge"
)

// ErrInjected is the fault that FailAfter brings about.
var ErrInjected = errors.New("injected fault")

// Fake is the queues of a host in memory. It refuses what the kernel refuses.
// Every tap is there.
type Fake struct {
	State   State
	Foreign map[string]string // root qdiscs of others, by device

	// FailAfter, when positive, makes the change after that many fail.
	FailAfter int
}

var _ converge.Target[State, Change] = (*Fake)(nil)

// NewFake is a host with a root qdisc that is not ours.
func NewFake() *Fake {
	return &Fake{State: NewState(), Foreign: map[string]string{"eth0": "fq_codel"}}
}

// Observe lists what is ours.
func (f *Fake) Observe(context.Context) (State, error) {
	s := NewState()
	s.Inbound.Device, s.Inbound.Up = f.State.Inbound.Device, f.State.Inbound.Up
	maps.Copy(s.Inbound.Bridges, f.State.Inbound.Bridges)
	for tap, p := range f.State.Ports {
		p.ToGuest, p.FromGuest = p.ToGuest.clone(), p.FromGuest.clone()
		s.Ports[tap] = p
	}
	for dev, t := range f.State.Uplink {
		s.Uplink[dev] = t.clone()
	}
	for dev, c := range f.State.Crowds {
		c.Queues = maps.Clone(c.Queues)
		s.Crowds[dev] = c
	}
	for dev, to := range f.State.Sends {
		s.Sends[dev] = maps.Clone(to)
	}
	return s, nil
}

func (t Tree) clone() Tree {
	t.Classes = slices.Clone(t.Classes)
	return t
}

// Apply carries out changes in order, past a port that fails.
func (f *Fake) Apply(_ context.Context, changes []Change) error {
	var errs []error
	failed := map[string]bool{}
	for i, c := range changes {
		if failed[owner(c)] {
			continue
		}
		err := f.apply(c)
		if f.FailAfter > 0 && i == f.FailAfter {
			err = ErrInjected
		}
		if err != nil {
			failed[owner(c)] = true
			errs = append(errs, &converge.Fault{Object: c.Object(), Err: fmt.Errorf("%s: %w", c, err)})
		}
	}
	return errors.Join(errs...)
}

func (f *Fake) apply(c Change) error {
	if c.Port.Tap == "" {
		return f.applyUplink(c)
	}
	p := f.State.port(c.Port.Tap)
	if c.Act == Release {
		delete(f.State.Ports, p.Tap)
		return nil
	}
	if c.Act != AddShaper && p.Shaper == "" {
		return errors.New("the shaper is not there")
	}
	var err error
	switch {
	case c.Act == AddShaper:
		p.Shaper = c.Port.Shaper
	case c.Act == SetUp:
		p.Up, p.Alias = true, c.Port.Alias
	case c.Act == Redirect:
		p.Redirected = true
	case f.Foreign[c.Device] != "":
		err = errors.New("has a root qdisc that is not ours")
	case c.Device == p.Shaper:
		p.FromGuest, err = p.FromGuest.apply(c)
	default:
		p.ToGuest, err = p.ToGuest.apply(c)
	}
	f.State.Ports[p.Tap] = p
	return err
}

func (f *Fake) applyUplink(c Change) error {
	if f.Foreign[c.Device] != "" {
		return errors.New("has a root qdisc that is not ours")
	}
	in := &f.State.Inbound
	switch c.Act {
	case DelRoot:
		delete(f.State.Uplink, c.Device)
		return nil
	case AddInbound:
		in.Device = c.Device
		return nil
	case UpInbound, DelInbound:
		if in.Device != c.Device {
			if c.Act == DelInbound {
				return nil
			}
			return errors.New("no such link")
		}
		in.Up = c.Act == UpInbound
		if c.Act == DelInbound {
			// What was led there leads nowhere.
			*in = Inbound{Bridges: map[string]Program{}}
			delete(f.State.Uplink, c.Device)
		}
		return nil
	case Divert:
		if in.Device != c.Inbound {
			return errors.New("no such link")
		}
		in.Bridges[c.Device] = c.Program
		return nil
	case Straight:
		delete(in.Bridges, c.Device)
		return nil
	case AddCrowd, FillCrowd, SetQueue, UpCrowd, Send, Unsend, DelCrowd:
		return f.applyCrowd(c)
	}
	t, err := f.State.Uplink[c.Device].apply(c)
	f.State.Uplink[c.Device] = t
	return err
}

func (t Tree) apply(c Change) (Tree, error) {
	t = t.clone()
	if !t.Rooted && c.Act != AddRoot {
		return t, errors.New("no tree")
	}
	at := slices.IndexFunc(t.Classes, func(k Class) bool { return k.Minor == c.Class.Minor })
	switch c.Act {
	case ReplaceRoot:
		t = Tree{}
	case AddRoot:
		if !t.Rooted {
			t = Tree{Rooted: true, Default: c.Class.Minor}
		}
	case SetClass:
		if at >= 0 && t.Classes[at].Parent != c.Class.Parent {
			return t, errors.New("a class stays where it was made")
		}
		if c.Class.Parent != 0 && find(t.Classes, c.Class.Parent).Minor == 0 {
			return t, errors.New("no such parent")
		}
		k := c.Class
		k.Leaf, k.Limit = "", 0
		if at >= 0 {
			k.Leaf, k.Limit = t.Classes[at].Leaf, t.Classes[at].Limit
			t.Classes[at] = k
			break
		}
		t.Classes = append(t.Classes, k)
		slices.SortFunc(t.Classes, func(a, b Class) int { return cmp.Compare(a.Minor, b.Minor) })
	case SetLeaf:
		if at < 0 {
			return t, errors.New("no such class")
		}
		t.Classes[at].Leaf, t.Classes[at].Limit = c.Class.Leaf, c.Class.Limit
	case SetProgram:
		t.Program = c.Program
	case DelProgram:
		t.Program = ""
	case DelClass:
		if slices.ContainsFunc(t.Classes, func(k Class) bool { return k.Parent == c.Class.Minor }) {
			return t, errors.New("classes are in it")
		}
		if at >= 0 {
			t.Classes = slices.Delete(t.Classes, at, at+1)
		}
		if len(t.Classes) == 0 {
			t.Classes = nil
		}
	}
	return t, nil
}

func (f *Fake) applyCrowd(c Change) error {
	crowd, there := f.State.Crowds[c.Device]
	switch c.Act {
	case AddCrowd:
	case Send:
		if _, there := f.State.Crowds[c.Inbound]; !there {
			return errors.New("no such link")
		}
		if f.State.Sends[c.Device] == nil {
			f.State.Sends[c.Device] = map[int]string{}
		}
		f.State.Sends[c.Device][c.Crowd] = c.Inbound
		return nil
	case Unsend:
		if delete(f.State.Sends[c.Device], c.Crowd); len(f.State.Sends[c.Device]) == 0 {
			delete(f.State.Sends, c.Device)
		}
		return nil
	case DelCrowd:
		delete(f.State.Crowds, c.Device)
		return nil
	default:
		if !there || c.Act == SetQueue && !crowd.Filled {
			return errors.New("no such link, or no such queue")
		}
	}
	switch c.Act {
	case FillCrowd:
		crowd.Filled, crowd.Queues = true, map[uint8]Queue{}
	case UpCrowd:
		crowd.Up = true
	case SetQueue:
		if c.Queue == idleQueue() {
			delete(crowd.Queues, c.Place)
		} else {
			crowd.Queues[c.Place] = c.Queue
		}
	}
	f.State.Crowds[c.Device] = crowd
	return nil
}

// String draws every tree, a line per class.
func (f *Fake) String() string {
	var b strings.Builder
	draw := func(dev string, t Tree) {
		for _, c := range t.Classes {
			fmt.Fprintf(&b, "%s %s\n", dev, Change{Act: SetClass, Device: dev, Class: c})
		}
	}
	for _, tap := range slices.Sorted(maps.Keys(f.State.Ports)) {
		p := f.State.Ports[tap]
		draw(p.Tap, p.ToGuest)
		draw(p.Shaper, p.FromGuest)
	}
	for _, dev := range slices.Sorted(maps.Keys(f.State.Uplink)) {
		draw(dev, f.State.Uplink[dev])
	}
	for _, dev := range slices.Sorted(maps.Keys(f.State.Crowds)) {
		for _, n := range slices.Sorted(maps.Keys(f.State.Crowds[dev].Queues)) {
			fmt.Fprintf(&b, "%s %s\n", dev, Change{Act: SetQueue, Device: dev, Place: n, Queue: f.State.Crowds[dev].Queues[n]})
		}
	}
	return b.String()
}

// DrawForeign draws what is not ours.
func (f *Fake) DrawForeign() string { return fmt.Sprint(f.Foreign) }
