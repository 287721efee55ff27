package qos_test

import (
	"net"
	"testing"

	"github.com/florianl/go-tc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/qos"
)

// TestOthersReadTheSame has a second reader of rtnetlink decode the classes that
// our codec wrote. tc(8), the other oracle, rounds rates and bursts.
func TestOthersReadTheSame(t *testing.T) {
	testkit.NetNS(t)
	testkit.Need(t, testkit.HTB, testkit.IFB, testkit.Mirred)
	taps(t, allTaps()...)
	up0(t)
	m := limited(1)
	pass(t, open(t), m)
	reader, err := tc.Open(&tc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}()
	const rootParent = 0xffffffff
	read := func(dev string) map[uint16]qos.Class {
		link, err := net.InterfaceByName(dev)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := reader.Class().Get(&tc.Msg{Family: unix.AF_UNSPEC, Ifindex: uint32(link.Index)})
		if err != nil {
			t.Fatal(err)
		}
		all := map[uint16]qos.Class{}
		for _, o := range objects {
			p := o.Htb.Parms
			c := qos.Class{
				Minor: uint16(o.Handle), Buffer: p.Buffer, Cbuffer: p.Cbuffer,
				Rate: ispctl.Rate(p.Rate.Rate) * 8, Ceil: ispctl.Rate(p.Ceil.Rate) * 8,
			}
			if o.Parent != rootParent {
				c.Parent = uint16(o.Parent)
			}
			all[c.Minor] = c
		}
		return all
	}
	for _, p := range mustDesire(t, m).Ports {
		for dev, tree := range map[string]qos.Tree{p.Tap: p.ToGuest, p.Shaper: p.FromGuest} {
			want := map[uint16]qos.Class{}
			for _, c := range tree.Classes {
				c.Leaf, c.Limit, c.Quantum = "", 0, 0
				want[c.Minor] = c
			}
			if diff := cmp.Diff(want, read(dev)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", dev, diff)
			}
		}
	}
}
