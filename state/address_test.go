package state_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/state"
)

// TestRests holds a rest to end by itself, and by hand.
func TestRests(t *testing.T) {
	s := open(t, t.TempDir())
	now := time.Now().UTC().Truncate(time.Millisecond)
	long := ispctl.Rest{Addr: addr("203.0.113.9"), VM: "web1", Until: now.Add(time.Hour)}
	short := ispctl.Rest{Addr: addr("203.0.113.11"), VM: "web2", Until: now.Add(time.Minute)}
	update(t, s, func(tx *state.Tx) error {
		for _, r := range []ispctl.Rest{{Addr: long.Addr, VM: "web3", Until: now}, long, short} {
			if err := tx.PutRest(r); err != nil {
				return err
			}
		}
		return nil
	})
	for _, tt := range []struct {
		after time.Duration
		want  []ispctl.Rest
	}{{0, []ispctl.Rest{short, long}}, {2 * time.Minute, []ispctl.Rest{long}}, {2 * time.Hour, nil}} {
		got, err := s.Rests(t.Context(), now.Add(tt.after))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got, comparable); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", tt.after, diff)
		}
	}
	update(t, s, func(tx *state.Tx) error {
		if r, rests, err := tx.Rest(long.Addr); err != nil || !rests || r.VM != "web1" {
			t.Errorf("%v %t %v", r, rests, err)
		}
		return tx.DeleteRest(long.Addr)
	})
	if got, err := s.Rests(t.Context(), now); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// TestUseOfAnAddressIsReadBack goes there and back again.
func TestUseOfAnAddressIsReadBack(t *testing.T) {
	s := open(t, t.TempDir())
	update(t, s, fill)
	want := ispctl.Address{Addr: addr("203.0.113.12"), Mode: ispctl.RoutedIn, VM: "web1"}
	for range 2 {
		m := update(t, s, func(tx *state.Tx) error { return tx.PutAddress(want) })
		if got, err := m.Address(want.Addr); err != nil || got != want {
			t.Errorf("%v, %v", got, err)
		}
		want.Mode, want.VM = ispctl.Shared, ""
	}
}

// TestRewindOfAWire goes from a VM on the wire to one that is not, and back.
func TestRewindOfAWire(t *testing.T) {
	s := open(t, t.TempDir())
	before := update(t, s, func(tx *state.Tx) error {
		if err := fill(tx); err != nil {
			return err
		}
		return tx.PutUplink(ispctl.Uplink{Interface: "vmbr0", Kind: ispctl.Bridged})
	})
	const mac = "00:50:56:00:12:34"
	after := update(t, s, func(tx *state.Tx) error {
		m, err := tx.Model()
		if err != nil {
			return err
		}
		if _, err := tx.AddNIC(m.VMs[0], ispctl.NIC{Role: ispctl.WireNIC, MAC: mac, Addr: addr("203.0.113.12")}); err != nil {
			return err
		}
		return tx.PutAddress(ispctl.Address{Addr: addr("203.0.113.12"), Mode: ispctl.Wire, VM: "web1", MAC: mac})
	})
	for _, m := range []*ispctl.Model{before, after, before} {
		got := update(t, s, func(tx *state.Tx) error { return tx.Rewind(m) })
		if diff := cmp.Diff(m, got, comparable); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
