package qos

import (
	"slices"

	"ispctl"
)

// Crowd is an interface with a queue per guest, of those who are held to
// nothing but rates for the Internet. Such a guest costs two queues and nothing
// on its tap: on a host with thousands of guests, trees of classes are what takes
// its time (decision 20).
type Crowd struct {
	Filled bool // each of its queues is a shaper
	Up     bool
	Queues map[uint8]Queue // of guests; the others are idle
}

// Queue is a token bucket (tc-tbf(8)) in the kernel's own terms.
type Queue struct {
	Rate   ispctl.Rate
	Buffer uint32 // burst, in ticks
	Limit  uint32 // bytes that may wait
	Leaf   Kind   // how they wait
}

// crowdSize is how many queues a crowd has. It is what the last byte of a class
// counts, and all of them are there from the start: to give a queue its shaper
// stops all of the interface.
const crowdSize = 256

// OwnTrees is the highest id of a guest that has trees of its own whatever it is
// held to. A host with few guests gains nothing by crowds, and trees can be looked
// at where the guest is, at its tap.
const OwnTrees = 128

// idleQueue holds nobody up.
func idleQueue() Queue { return queue(ispctl.MaxRate, 0, 0, FIFO) }

// queue is a shaper that lets any frame of a zone pass: in contrast to a class,
// one that is bigger than its burst would be lost.
func queue(rate ispctl.Rate, burst ispctl.Size, mtu int, leaf Kind) Queue {
	const ethernet = 32 // with tags, and some to spare
	n := int64(burst)
	if n == 0 {
		n = defaultBurst(rate)
	}
	n = max(n, int64(2*(mtu+ethernet)))
	return Queue{Rate: rate / 8 * 8, Buffer: ticks(n, rate), Limit: fifoLimit(rate), Leaf: leaf}
}

// member is a guest in a crowd.
type member struct {
	guestClass
	zone ispctl.Zone
}

func (c guestClass) crowd() int   { return int(c.minor >> 8) }
func (c guestClass) place() uint8 { return uint8(c.minor) }

// members are the guests that wait in crowds. Their classes name no class: the
// last byte is their queue's number, and that before it their crowd's.
//
// There are none where what comes in is shared out: a packet can be led through
// one interface on its way to a bridge, and there it is that one.
func members(m *ispctl.Model) []member {
	if m.Uplink.Kind != ispctl.Routed && m.Uplink.Kind != ispctl.Failover || !m.Uplink.Configured() {
		return nil
	}
	guests := guestClasses(m)
	if inward(m).needed(m, guests) {
		return nil
	}
	taken := map[int64]bool{}
	not := map[ispctl.Name]bool{}
	for _, g := range guests {
		not[g.vm.Name] = true
		taken[int64(g.minor)-firstGuest] = true
	}
	for _, f := range m.Flows {
		if ownClass(f) || f.Urgency != "" {
			not[f.VM] = true
		}
	}
	for _, a := range m.Addresses {
		if a.Mode == ispctl.RoutedIn {
			not[a.VM] = true // which speaks by more than its zone's address
		}
	}
	throttles := map[ispctl.Name]ispctl.Throttle{}
	for _, t := range m.Throttles {
		throttles[t.VM] = t
	}
	plans := map[ispctl.Name]ispctl.Limits{}
	for _, p := range m.Plans {
		plans[p.Name] = p.Limits
	}
	zones := map[ispctl.Name]ispctl.Zone{}
	for _, z := range m.Zones {
		zones[z.Name] = z
	}
	var all []member
	for vm := range m.Guests() {
		z := zones[vm.Zone]
		limits := vm.Limits.Over(plans[vm.Plan]).Under(throttles[vm.Name])
		if vm.ID <= OwnTrees || not[vm.Name] || z.Trunk != "" || !plain(limits) || !speaksAsItself(vm) {
			continue
		}
		all = append(all, member{guestClass{vm: vm, limits: limits, total: -1}, z})
	}
	slices.SortFunc(all, func(a, b member) int { return int(min(max(a.vm.ID-b.vm.ID, -1), 1)) })
	for i := range all {
		n := all[i].vm.ID % guestRange
		for taken[n] {
			n = (n + 1) % guestRange
		}
		taken[n] = true
		all[i].minor = uint16(firstGuest + n)
	}
	return all
}

// plain says whether limits are nothing but rates for the Internet.
func plain(l ispctl.Limits) bool {
	return (l.Down > 0 || l.Up > 0) && l.Local == 0 && l.DSCP != ispctl.TrustDSCP
}

// speaksAsItself says whether all that a guest exchanges with the Internet is
// known by the addresses of one NIC, which the wall sees to.
func speaksAsItself(vm ispctl.VM) bool {
	n := 0
	for _, nic := range vm.NICs {
		if nic.Role == ispctl.AdminNIC {
			continue
		}
		if n++; n > 1 || nic.Role != ispctl.ZoneNIC || nic.Zone != vm.Zone || len(nic.Allow)+len(nic.Tags) > 0 {
			return false
		}
	}
	return n == 1
}

// crowds adds the queues of guests, and who sends to them.
func (s *State) crowds(m *ispctl.Model, all []member, leaf func() Kind) {
	put := func(dev, from string, g member, rate ispctl.Rate) {
		if rate == 0 {
			return // its queue is idle, or not there
		}
		c, there := s.Crowds[dev]
		if !there {
			c = Crowd{Filled: true, Up: true, Queues: map[uint8]Queue{}}
		}
		c.Queues[g.place()] = queue(rate, g.limits.Burst, max(g.zone.MTU, 1500), leaf())
		s.Crowds[dev] = c
		if s.Sends[from] == nil {
			s.Sends[from] = map[int]string{}
		}
		s.Sends[from][g.crowd()] = dev
	}
	for _, g := range all {
		put(m.Installation.CrowdDown(g.crowd()), m.Installation.Bridge(g.zone.Name), g, g.limits.Down)
		put(m.Installation.CrowdUp(g.crowd()), m.Uplink.Interface, g, g.limits.Up)
	}
}
