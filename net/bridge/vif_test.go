package bridge_test

import (
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/net/bridge"
)

// TestVifs: on Xen a guest's port is made by others, when the guest starts. It is
// not missed before, is made what a tap would be when it has been marked, and is
// left to them when it is not wanted any more.
func TestVifs(t *testing.T) {
	onXen := ispctl.Installation{Prefix: "isp", Hypervisor: "xen:///system", Xen: ispctl.XenPV}
	m := convergetest.Models(onXen, ispctl.Paths{})[2]
	want, err := bridge.Desired(m)
	if err != nil {
		t.Fatal(err)
	}
	tap := m.VMs[0].NICs[0].Tap
	for _, c := range bridge.Diff(want, bridge.State{}) {
		if c.Link.Kind == bridge.Vif || c.Link.Kind == bridge.Tap {
			t.Errorf("before the guest runs: %s", c)
		}
	}
	// As the hotplug script leaves it, with our mark.
	have := bridge.State{tap: {Name: tap, Kind: bridge.Vif, MTU: ispctl.DefaultMTU}}
	var text []string
	for _, c := range bridge.Diff(want.Only([]string{tap}), have) {
		text = append(text, c.String())
	}
	if got := strings.Join(text, "\n"); !strings.Contains(got, "ip link set dev "+tap+" master ") || !strings.HasSuffix(got, "ip link set dev "+tap+" up") {
		t.Errorf("what a vif takes:\n%s", got)
	}
	for _, c := range bridge.Diff(bridge.State{}, have) {
		t.Errorf("a vif that is not wanted: %s", c)
	}
	testkit.NetNS(t)
	testkit.Sh(t, "ip", "link", "set", "lo", "up")
	if err := open(t).Adopt([]string{"lo"}); err == nil || !strings.Contains(err.Error(), "link lo is no vif") {
		t.Errorf("the loopback: %v", err)
	}
	if text := testkit.Sh(t, "ip", "-o", "link", "show", "lo"); !strings.Contains(text, "LOOPBACK,UP") || !strings.Contains(text, "group default") {
		t.Errorf("the loopback was touched: %s", text)
	}
}
