package firewall_test

import (
	"slices"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/nfttest"
	"ispctl/net/firewall"
)

func layer() nfttest.Layer {
	inst := ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}
	models := append(convergetest.Models(inst, ispctl.Paths{}), convergetest.TrunkModels(inst, ispctl.Paths{})...)
	return nfttest.Layer{Name: firewall.Layer, Desired: firewall.Desired, Models: append(models, planned(models[2]))}
}

// planned is a model whose plan says how much of the host's tables a guest may
// take; one guest has other numbers, and one has none.
func planned(of *ispctl.Model) *ispctl.Model {
	m := *of
	m.Plans = slices.Clone(m.Plans)
	m.Plans[0].Limits = ispctl.Limits{Connections: 500, NewConnections: 50, Packets: 10_000}
	m.VMs = slices.Clone(m.VMs)
	m.VMs[0].Limits = ispctl.Limits{Connections: 20_000, Packets: ispctl.NoLimit}
	return &m
}

func TestLawsOnFake(t *testing.T)    { layer().LawsOnFake(t) }
func TestLawsOnKernel(t *testing.T)  { layer().LawsOnKernel(t) }
func TestTextIsTruth(t *testing.T)   { layer().TextIsTruth(t) }
func TestChangesAsText(t *testing.T) { layer().Goldens(t) }

func TestByHand(t *testing.T) {
	layer().SeenByHand(t,
		"delete table inet ispctl-firewall",
		"flush chain inet ispctl-firewall forward",
		"insert rule inet ispctl-firewall forward accept",
		"add chain inet ispctl-firewall forward { policy drop; }",
		"add chain inet ispctl-firewall other",
		"delete element inet ispctl-firewall zones { \"isp-dmz\" }",
		"add element inet ispctl-firewall egress { \"isp-mail\" }",
		"flush ruleset",

		"delete table bridge ispctl-firewall",
		"delete table bridge ispctl-firewall.drops",
		"flush chain bridge ispctl-firewall close",
		"insert rule bridge ispctl-firewall judge accept",
		"delete element bridge ispctl-firewall macs { \"isp-1-0\" . 02:00:00:00:00:01 }",
		"add element bridge ispctl-firewall addresses4 { \"isp-1-0\" . 02:00:00:00:00:01 . 10.10.0.3 }",
		"flush set bridge ispctl-firewall taps",
		"add table bridge ispctl-firewall.more",
		// A dormant table lists like one that works.
		"add table bridge ispctl-firewall { flags dormant; }",
		"add table inet ispctl-firewall { flags dormant; }",
	)
}

// TestStrangeThingsInOurTable: whatever somebody puts there is read, and goes.
func TestStrangeThingsInOurTable(t *testing.T) {
	var harms []string
	for _, rule := range []string{
		"limit rate over 10 mbytes/second burst 5 kbytes drop", "ct count over 20 drop", "quota over 25 mbytes drop",
		"meta mark set jhash ip saddr mod 2", "meta mark set numgen random mod 4", "osf name \"Linux\" accept",
		"fib daddr type local accept", "ct mark set 1", "log group 3 accept", "reject with icmp type port-unreachable", "tcp option maxseg size set 1400",
		"rt classid 1 accept", "meta ipsec exists accept", "ipsec in reqid 1 accept", "ip dscp vmap { cs1 : drop, cs2 : accept }",
		"ip saddr { 10.0.0.0/8, 192.168.0.0-192.168.0.7 } accept", "tcp dport . ip saddr { 1-5 . 10.0.0.0/8 } accept", "exthdr frag exists accept", "sctp chunk data exists accept",
		"update @x { ip saddr timeout 1m limit rate 1/second burst 5 packets } accept", "meter y { ip saddr counter } accept",
	} {
		harms = append(harms, "add set inet ispctl-firewall x { type ipv4_addr; flags dynamic,timeout; }; add rule inet ispctl-firewall forward "+rule)
	}
	for _, thing := range []string{
		"map inet ispctl-firewall m { type ipv4_addr : verdict; }", "map inet ispctl-firewall m { type ipv4_addr . inet_service : verdict; flags interval; }",
		"counter inet ispctl-firewall c; add map inet ispctl-firewall m { type ipv4_addr : counter; }", "set inet ispctl-firewall s { typeof ip saddr . @th,16,16 . meta mark; }",
		"set inet ispctl-firewall s { type ipv4_addr . inet_service . ipv4_addr . inet_service . mark; }", "set inet ispctl-firewall s { typeof vlan id; }",
		"set inet ispctl-firewall s { type time; }", "set inet ispctl-firewall s { type cgroupsv2; }", "set inet ispctl-firewall s { typeof ct label; }",
	} {
		harms = append(harms, "add "+thing)
	}
	layer().SeenByHand(t, harms...)
}
