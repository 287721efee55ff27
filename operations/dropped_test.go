package operations_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/operations"
)

// TestDropped holds what walls, anti-spoofing and shapers dropped apart.
func TestDropped(t *testing.T) {
	m := newMetered(t, "2026-10-31T22:00:00Z")
	tap := string(m.tap("web1"))
	m.Drops = func(_ context.Context, model *ispctl.Model) (operations.Drops, error) {
		if len(model.VMs) == 0 {
			t.Error("asked without the VMs")
		}
		return operations.Drops{tap: {
			"mac": {Packets: 1, Bytes: 60}, "source": {Packets: 2, Bytes: 120}, "vlan": {Packets: 4, Bytes: 400}, "quota": {Packets: 8, Bytes: 800},
			operations.ShaperIn: {Packets: 16}, operations.ShaperOut: {Packets: 32},
		}}, nil
	}
	want := operations.DroppedView{
		VM: "web1", Zone: "dmz", DropSums: operations.DropSums{
			Wall: operations.TallyView{Packets: 12, Bytes: 1200}, Spoof: operations.TallyView{Packets: 3, Bytes: 180},
			Shaper: operations.ShaperView{InPackets: 16, OutPackets: 32},
		},
	}
	for _, of := range []string{"web1", "dmz", ""} {
		all, err := m.DroppedOf(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, v := range all {
			if v.VM == "web1" {
				found = true
				if diff := cmp.Diff(want, v); diff != "" {
					t.Errorf("of %q (-want +got):\n%s", of, diff)
				}
			}
		}
		if !found {
			t.Errorf("of %q: %v", of, all)
		}
	}
	if _, err := m.DroppedOf(t.Context(), "nobody"); ispctl.KindOf(err) != ispctl.NotFound {
		t.Errorf("of nobody: %v", err)
	}
	views, err := m.VMs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		if v.Name == "web1" && (v.Dropped != want.DropSums || v.Drops["mac"] != 1 || v.Drops[operations.ShaperOut] != 32) {
			t.Errorf("vm list: %+v, %v", v.Dropped, v.Drops)
		}
	}
}
