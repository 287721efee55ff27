package state_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/state"
)

// TestRewind changes all that a rewind is for, and wants it back: rows, ids
// and all. A second rewind finds nothing to change.
func TestRewind(t *testing.T) {
	s := open(t, t.TempDir())
	update(t, s, fill)
	before := update(t, s, func(tx *state.Tx) error {
		return tx.PutPolicy(ispctl.Policy{From: "dmz", To: "mail", Opening: ispctl.Opening{Transport: ispctl.TransportTCP, Port: 25}, Family: ispctl.IPv4, Log: true})
	})
	for _, tt := range []struct {
		name   string
		change func(tx *state.Tx) error
	}{
		{"nothing", func(*state.Tx) error { return nil }},
		{"changed", func(tx *state.Tx) error {
			vm := before.VMs[0]
			vm.Wanted = ispctl.Stopped
			policy := before.Policies[0]
			policy.Log = false
			return first(
				tx.PutUplink(ispctl.Uplink{Interface: "eth1", Kind: ispctl.Routed}), tx.SetHostServices(nil),
				tx.PutZone(ispctl.Zone{Name: "dmz", Prefix: prefix("10.11.0.0/16"), MTU: 9000}), tx.UpdateVM(vm), tx.SetKeys(vm.ID, nil), tx.PutPolicy(policy),
				tx.PutSharing(ispctl.Sharing{MemoryReserve: ispctl.GiB, MemoryOvercommit: 200}),
				tx.PutForward(ispctl.Forward{Listen: before.Forwards[0].Listen, VM: "web1", Port: 23}),
				tx.PutPlan(ispctl.Plan{Name: "small", CPUs: 1, Memory: ispctl.GiB, Disk: 4 * ispctl.GiB}),
				tx.PutMetering(ispctl.Metering{KeepDays: 99}), tx.DeleteTariff("small"), tx.DeleteQuota(ispctl.Quota{VM: "web1"}),
			)
		}},
		{"removed and made again", func(tx *state.Tx) error {
			return first(
				tx.DeleteForward(before.Forwards[0].Listen), tx.DeletePolicy(before.Policies[0]), tx.DeleteZone("mail"),
				tx.PutZone(ispctl.Zone{Name: "mail", Prefix: prefix("10.99.0.0/24")}), tx.DeleteAddress(before.Addresses[0]),
				tx.PutAddress(before.Addresses[0]), tx.PutForward(before.Forwards[0]),
			)
		}},
		{"made", func(tx *state.Tx) error {
			return first(
				tx.PutZone(ispctl.Zone{Name: "lab", Prefix: prefix("10.30.0.0/24")}), tx.PutAddress(ispctl.Address{Addr: addr("203.0.113.12")}),
				tx.PutPlan(ispctl.Plan{Name: "large", CPUs: 8, Memory: ispctl.GiB, Disk: ispctl.GiB}),
				tx.PutQuota(ispctl.Quota{Plan: "large", Volume: ispctl.TiB, Direction: ispctl.DirectionIn, Day: 1, Action: ispctl.ActionNotify}),
				tx.PutTariff(ispctl.Tariff{Plan: "large", Currency: "EUR", Volume: ispctl.DirectionIn}),
				tx.PutForward(ispctl.Forward{Listen: ispctl.Listen{Addr: addr("203.0.113.12"), Port: 80, Proto: ispctl.TCP}, VM: "web1", Port: 80}),
			)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// What lies between need not be valid: each change is one transaction with its rewind.
			for range 2 {
				update(t, s, func(tx *state.Tx) error { return first(tt.change(tx), tx.Rewind(before)) })
				if diff := cmp.Diff(before, modelOf(t, s), comparable); diff != "" {
					t.Errorf("(-before +rewound):\n%s", diff)
				}
			}
		})
	}
}

// first is the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
