package testkit

import (
	"testing"
)

// TestFeatures tries everything that other tests ask for: what this kernel
// lacks is a line in the report, and in the lab a failure.
func TestFeatures(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Features() {
		if seen[f.Name] {
			t.Errorf("two features are called %q", f.Name)
		}
		seen[f.Name] = true
		t.Run(f.Name, func(t *testing.T) { Need(t, f) })
	}
}

// TestProbeTells holds the probes against two facts of every kernel: lo cannot
// be taken twice, and no module is called that.
func TestProbeTells(t *testing.T) {
	Need(t, Root)
	if err := tried("nonsense", "ip link add x0 type nonsense").Probe(); err == nil {
		t.Error("a link of no type was made")
	}
	if err := tried("something", "ip link set lo up").Probe(); err != nil {
		t.Error(err)
	}
	// What a probe makes is in its own namespace.
	for range 2 {
		if err := tried("veth", "ip link add ispt-probe type veth peer name ispt-peer").Probe(); err != nil {
			t.Error(err)
		}
	}
}
