package operations_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ispctl/converge"
	"ispctl/net/nft"
	"ispctl/operations"
	"ispctl/state"
)

// repairer is a world's, without the layers that are not the network's.
func (w *world) repairer() *operations.Repairer {
	w.Layers = slices.DeleteFunc(w.Layers, func(l converge.Layer) bool { return l.Name() == "disks" || l.Name() == "domains" })
	return &operations.Repairer{Provider: w.Provider}
}

func (w *world) lastEntry() state.JournalEntry {
	w.t.Helper()
	all, err := w.Store.Journal(w.t.Context(), 1)
	if err != nil || len(all) != 1 {
		w.t.Fatalf("journal: %v, %v", all, err)
	}
	return all[0]
}

// glance is what any of the glances finds.
func glance(t *testing.T, r *operations.Repairer) (wrong bool, err error) {
	t.Helper()
	for _, look := range r.Glances() {
		found, errLook := look(t.Context())
		wrong, err = wrong || found, errors.Join(err, errLook)
	}
	return wrong, err
}

// TestRepair: what is whole is left alone and nothing is written; what is gone
// comes back, and the journal says so.
func TestRepair(t *testing.T) {
	w := newWorld(t)
	r := w.repairer()
	before := w.lastEntry()
	if did, err := r.Repair(t.Context(), false); err != nil || len(did) > 0 || w.lastEntry() != before {
		t.Fatalf("nothing to do: %q, %v, journal %+v", did, err, w.lastEntry())
	}
	if wrong, err := glance(t, r); wrong || err != nil {
		t.Errorf("glance: %v, %v", wrong, err)
	}
	whole := w.wall.String()
	w.wall.Tables = nft.State{}
	if wrong, err := glance(t, r); wrong || err != nil {
		t.Errorf("a glance looks at what is told: %v, %v", wrong, err)
	}
	did, err := r.Repair(t.Context(), true)
	if err != nil || len(did) != 1 || !strings.HasPrefix(did[0], "firewall: ") || !strings.Contains(did[0], "add table inet ispctl-firewall") {
		t.Fatalf("did %q, %v", did, err)
	}
	if got := w.wall.String(); got != whole {
		t.Errorf("the wall is\n%s\nand was\n%s", got, whole)
	}
	if e := w.lastEntry(); e.Operation != "repair" || e.Detail != did[0] {
		t.Errorf("journal: %+v", e)
	}
	w.routes.Sysctls["net.ipv4.ip_forward"] = "0"
	if wrong, err := glance(t, r); !wrong || err != nil {
		t.Errorf("a glance does not see the sysctl: %v, %v", wrong, err)
	}
}

// TestRepairBesideAnother: another ispctl holds the lock for long. The walls
// come back if that is urgent; all else waits for it.
func TestRepairBesideAnother(t *testing.T) {
	w := newWorld(t)
	r := w.repairer()
	unlock, err := state.Lock(t.Context(), w.Paths, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.wall.Tables = nft.State{}
	w.routes.Sysctls["net.ipv4.ip_forward"] = "0"
	began := time.Now()
	if did, err := r.Repair(t.Context(), true); err != nil || len(did) != 1 || !strings.HasPrefix(did[0], "firewall:") {
		t.Fatalf("did %q, %v", did, err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the walls came back after %s", took)
	}
	if w.routes.Sysctls["net.ipv4.ip_forward"] != "0" {
		t.Error("the sysctl did not wait")
	}
	w.LockWait = 10 * time.Millisecond
	if did, err := r.Repair(t.Context(), false); err == nil || len(did) > 0 {
		t.Errorf("not urgent: did %q, %v", did, err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if did, err := r.Repair(t.Context(), false); err != nil || len(did) != 1 || w.routes.Sysctls["net.ipv4.ip_forward"] != "1" {
		t.Errorf("then: did %q, %v", did, err)
	}
}

// TestRepairInSpiteOf: a layer that cannot be looked at does not keep the walls
// down, and is an error all the same.
func TestRepairInSpiteOf(t *testing.T) {
	w := newWorld(t)
	r := w.repairer()
	w.deafen("route")
	w.wall.Tables = nft.State{}
	did, err := r.Repair(t.Context(), true)
	if !errors.Is(err, errDeaf) || len(did) != 1 || len(w.wall.Tables) == 0 {
		t.Errorf("did %q, %v", did, err)
	}
	// Nor does one that cannot be mended go unsaid.
	w.hear()
	w.routes.Sysctls["net.ipv4.ip_forward"] = "0"
	w.routes.FailAfter = 0
	w.wall.FailNext = errDeaf
	w.wall.Tables = nft.State{}
	if did, err := r.Repair(t.Context(), true); !errors.Is(err, errDeaf) || len(did) > 0 {
		t.Errorf("did %q, %v", did, err)
	}
}
