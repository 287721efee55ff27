package qos_test

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/qos"
)

var inst = ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}

func fifo() qos.Kind { return qos.FIFO }

func yes() bool { return true }

// models are those of all layers, and the same with limits that come, change
// and go.
func models() []*ispctl.Model {
	all := convergetest.Models(inst, ispctl.Paths{})
	base := len(all)
	limited := func(i int, limits ispctl.Limits, flows ...ispctl.Flow) {
		m := *all[i]
		m.Plans = append([]ispctl.Plan{}, m.Plans...)
		m.Plans[0].Limits = limits
		m.VMs = append([]ispctl.VM{}, m.VMs...)
		m.VMs[0].Limits = ispctl.Limits{Down: ispctl.NoLimit}
		m.Flows = flows
		m.Sort()
		all = append(all, &m)
	}
	limited(2, ispctl.Limits{Down: 100 * ispctl.Mbit, Up: 10 * ispctl.Mbit})
	limited(2, ispctl.Limits{Up: ispctl.Gbit, Guarantee: ispctl.Mbit, Burst: ispctl.MiB, Local: ispctl.Gbit},
		ispctl.Flow{VM: "web1", Match: opening("tcp/80"), Rate: 5 * ispctl.Mbit},
		ispctl.Flow{VM: "web1", Slot: 3, Match: opening("udp/53"), Remote: netip.MustParsePrefix("2001:db8:10::/44"), Rate: ispctl.Mbit})
	limited(2, ispctl.Limits{Down: 100 * ispctl.Mbit, Up: 20 * ispctl.Mbit},
		ispctl.Flow{VM: "mail1", Match: ispctl.Opening{Transport: ispctl.AnyTransport}, Remote: netip.MustParsePrefix("198.51.100.0/24"), Rate: ispctl.Mbit})
	all[base].Uplink.Up = 100 * ispctl.Mbit // and nobody is promised any of it
	all[base+1].Uplink.Up, all[base+1].Uplink.Down = 100*ispctl.Mbit, ispctl.Gbit
	limited(3, ispctl.Limits{Local: 64 * ispctl.Kbit})
	limited(2, ispctl.Limits{Down: 100 * ispctl.Mbit, Up: 20 * ispctl.Mbit, DSCP: ispctl.TrustDSCP},
		ispctl.Flow{VM: "web1", Match: opening("tcp/80"), Rate: 5 * ispctl.Mbit, Urgency: ispctl.Bulk},
		ispctl.Flow{VM: "web1", Slot: 1, Match: opening("tcp/443"), Rate: ispctl.Mbit, Each: true, Remote: netip.MustParsePrefix("198.51.100.0/25")},
		ispctl.Flow{VM: "mail1", Match: opening("udp/5060"), Urgency: ispctl.Interactive},
		ispctl.Flow{VM: "mail1", Slot: 2, Match: opening("udp/53"), Rate: ispctl.Mbit, Each: true, Urgency: ispctl.Normal})
	limited(3, ispctl.Limits{Down: 100 * ispctl.Mbit, DSCP: mark("ef")},
		ispctl.Flow{VM: "web1", Match: opening("tcp/443"), Rate: ispctl.Mbit, Each: true},
		ispctl.Flow{VM: "mail1", Match: opening("udp/53"), Rate: 2 * ispctl.Mbit, Each: true})
	total := func(i int, totals ...ispctl.Total) {
		m := *all[i]
		m.Totals = totals
		all = append(all, &m)
	}
	dmz := ispctl.Total{Kind: ispctl.ZoneTotal, Name: "dmz", Slot: 1, Down: 50 * ispctl.Mbit, Up: 20 * ispctl.Mbit}
	mail := ispctl.Total{Kind: ispctl.ZoneTotal, Name: "mail", Guarantee: 8 * ispctl.Mbit}
	total(base+1, dmz)       // both directions are known
	total(base+1, dmz, mail) // and all have a total
	total(base+3, mail)      // nothing is known, so nothing is shared out
	total(base+4, dmz)       // and only the ceiling holds
	crowd := func(i int, ids ...int64) {
		m := *all[i]
		m.VMs = slices.Clone(m.VMs)
		for n, id := range ids {
			m.VMs[n].ID = id
			m.VMs[n].NICs = slices.Clone(m.VMs[n].NICs)
			m.VMs[n].NICs[0].Tap = inst.Tap(id, 0)
		}
		m.Sort()
		all = append(all, &m)
	}
	crowd(base, 300, 301)
	crowd(base, 300, 5000)
	crowd(base+2, 301, 302) // one has a flow of its own
	crowd(base+1, 300, 301) // what comes in is shared out
	return all
}

// limited is the nth of the models with limits.
func limited(n int) *ispctl.Model {
	return models()[len(convergetest.Models(inst, ispctl.Paths{}))+n]
}

func mark(s string) ispctl.DSCP {
	d, err := ispctl.ParseDSCP(s)
	if err != nil {
		panic(err) // a literal of this file
	}
	return d
}

func opening(s string) ispctl.Opening {
	o, err := ispctl.ParseOpening(s)
	if err != nil {
		panic(err) // a literal of this file
	}
	return o
}

func TestModelsAreValid(t *testing.T) {
	for i, m := range models() {
		if err := m.Validate(); err != nil {
			t.Errorf("model %d: %v", i, err)
		}
	}
}

func TestLawsOnFake(t *testing.T) {
	fake := qos.NewFake()
	convergetest.Laws(t, convergetest.Suite[qos.State, qos.Change]{
		Models: models(), Desired: qos.Desired(qos.Means{Leaf: fifo, Crowds: yes}), Diff: qos.Diff, Target: fake, Foreign: fake.DrawForeign, Passes: 400,
	})
}

// allTaps are those of all models.
func allTaps() []string {
	var names []string
	for _, m := range models() {
		for _, vm := range m.VMs {
			for _, nic := range vm.NICs {
				names = append(names, nic.Tap)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// taps makes the taps of all models, as the layer before this one does.
func taps(t testing.TB, names ...string) {
	t.Helper()
	for _, tap := range names {
		testkit.Sh(t, "ip", "tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr")
		testkit.Sh(t, "ip", "link", "set", tap, "group", fmt.Sprint(inst.LinkGroup()), "up")
	}
}

func open(t testing.TB) *qos.Kernel {
	t.Helper()
	k, err := qos.Open(inst.LinkGroup(), inst.ShaperGroup())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// up0 makes the uplink of all models, and their zones' bridges.
func up0(t testing.TB) {
	t.Helper()
	for _, zone := range []ispctl.Name{"dmz", "lab", "mail"} {
		testkit.Sh(t, "ip", "link", "add", inst.Bridge(zone), "group", fmt.Sprint(inst.LinkGroup()), "type", "bridge")
	}
	testkit.Sh(t, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
}

func TestLawsOnKernel(t *testing.T) {
	t.Parallel()
	leaves := map[string]func() qos.Kind{"fifo": fifo}
	if qos.BestLeaf() != qos.FIFO {
		leaves["as it is"] = qos.BestLeaf
	}
	passes := 36
	if *long {
		passes = 200
	}
	for name, leaf := range leaves {
		t.Run(name, func(t *testing.T) {
			testkit.NetNS(t)
			testkit.Need(t, testkit.HTB, testkit.IFB, testkit.Mirred)
			taps(t, allTaps()...)
			up0(t)
			// What looks like ours in everything but the mark.
			testkit.Sh(t, "ip", "link", "add", "isp-9-0u", "type", "ifb")
			testkit.Sh(t, "ip", "tuntap", "add", "dev", "other", "mode", "tap")
			testkit.Sh(t, "tc", "qdisc", "add", "dev", "other", "root", "handle", "1:", "htb", "default", "1")
			testkit.Sh(t, "tc", "class", "add", "dev", "other", "parent", "1:", "classid", "1:1", "htb", "rate", "1mbit")
			testkit.Sh(t, "tc", "qdisc", "add", "dev", "isp-1-0", "clsact")
			testkit.Sh(t, "tc", "filter", "add", "dev", "isp-1-0", "ingress", "pref", "7", "bpf", "bytecode", "1,6 0 0 0")
			convergetest.Laws(t, convergetest.Suite[qos.State, qos.Change]{
				Models: models(), Desired: qos.Desired(qos.Means{Leaf: leaf, Crowds: qos.CanCrowd}), Diff: qos.Diff, Target: open(t), Passes: passes,
				Foreign: func() string {
					return testkit.Sh(t, "ip", "-o", "link", "show", "dev", "isp-9-0u") +
						testkit.Sh(t, "tc", "qdisc", "show", "dev", "other") + testkit.Sh(t, "tc", "class", "show", "dev", "other") +
						testkit.Sh(t, "tc", "filter", "show", "dev", "isp-1-0", "ingress", "pref", "7")
				},
			})
		})
	}
}

func mustDesire(t testing.TB, m *ispctl.Model) qos.State {
	t.Helper()
	want, err := qos.Desired(qos.Means{Leaf: fifo, Crowds: yes})(m)
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// pass converges once and returns the changes it took.
func pass(t testing.TB, k *qos.Kernel, m *ispctl.Model) []qos.Change {
	t.Helper()
	want := mustDesire(t, m)
	have, err := k.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	changes := qos.Diff(want, have)
	if err := k.Apply(context.Background(), changes); err != nil {
		t.Fatal(err)
	}
	return changes
}

// TestWhatTCSees holds a pass against tc(8), which knows nothing of our types:
// the same commands given to it by hand are shown as the same.
func TestWhatTCSees(t *testing.T) {
	t.Parallel()
	testkit.NetNS(t)
	testkit.Need(t, testkit.HTB, testkit.IFB, testkit.Mirred)
	taps(t, allTaps()...)
	up0(t)
	// What the kernel chooses, what has happened since, and bursts, which tc
	// rounds to microseconds, are left out.
	vary := regexp.MustCompile(` c?burst [0-9]+[a-zA-Z]*/1| leaf [0-9a-f]+:| direct_packets_stat [0-9]+|(bfifo )[0-9a-f]+: `)
	show := func() string {
		var all []string
		for _, dev := range []string{"isp-1-0", "isp-1-0u", "isp-2-0", "isp-2-0u", "up0", "isp-0in", "isp-dmz egress"} {
			for _, what := range []string{"qdisc", "class", "filter"} {
				if strings.Contains(dev, " ") && what != "filter" {
					continue
				}
				for line := range strings.Lines(testkit.Sh(t, append([]string{"tc", "-d", what, "show", "dev"}, strings.Fields(dev)...)...)) {
					all = append(all, dev+" "+vary.ReplaceAllString(line, "$1"))
				}
			}
		}
		slices.Sort(all)
		return strings.Join(all, "")
	}
	k := open(t)
	changes := pass(t, k, limited(1))
	ours := show()
	for dev := range mustDesire(t, limited(1)).Ports {
		testkit.Sh(t, "tc", "qdisc", "del", "dev", dev, "root")
		testkit.Sh(t, "tc", "qdisc", "del", "dev", dev, "ingress")
		testkit.Sh(t, "ip", "link", "del", dev+"u")
	}
	testkit.Sh(t, "tc", "qdisc", "del", "dev", "up0", "root")
	testkit.Sh(t, "ip", "link", "del", inst.Inbound())
	for bridge := range mustDesire(t, limited(1)).Inbound.Bridges {
		testkit.Sh(t, "tc", "qdisc", "del", "dev", bridge, "clsact")
	}
	var script strings.Builder
	for _, c := range changes {
		script.WriteString(c.String() + "\n")
	}
	testkit.Sh(t, "sh", "-ec", script.String())
	byHand := show()
	if diff := cmp.Diff(byHand, ours); diff != "" {
		t.Errorf("(-by hand +ours):\n%s", diff)
	}
	for _, want := range []string{"ceil 5Mbit", "limit 128Kb", "rate 1Gbit"} {
		if !strings.Contains(ours, want) {
			t.Errorf("no %q in:\n%s", want, ours)
		}
	}
}

// TestForeignRoot leaves a qdisc of an operator where it is, and says so.
func TestForeignRoot(t *testing.T) {
	testkit.NetNS(t)
	testkit.Need(t, testkit.HTB, testkit.IFB, testkit.Mirred)
	taps(t, allTaps()...)
	up0(t)
	testkit.Sh(t, "tc", "qdisc", "add", "dev", "isp-2-0", "root", "handle", "1:", "tbf", "rate", "1mbit", "burst", "128k", "latency", "50ms")
	before := testkit.Sh(t, "tc", "qdisc", "show", "dev", "isp-2-0", "root")
	k := open(t)
	want, _ := qos.Desired(qos.Means{Leaf: fifo, Crowds: yes})(limited(0))
	err := k.Apply(context.Background(), qos.Diff(want, qos.State{}))
	if err == nil || !strings.Contains(err.Error(), "vm ") || !strings.Contains(err.Error(), "isp-2-0 has a root qdisc that is not ours: tbf 1:") {
		t.Errorf("want an error that names it, have %v", err)
	}
	if after := testkit.Sh(t, "tc", "qdisc", "show", "dev", "isp-2-0", "root"); after != before {
		t.Errorf("it was changed:\n%s%s", before, after)
	}
	if got := testkit.Sh(t, "tc", "class", "show", "dev", "isp-1-0"); !strings.Contains(got, "100Mbit") {
		t.Errorf("web1 is not shaped, and it has no fault:\n%s", got)
	}
}
