package operations_test

import (
	"strings"
	"testing"

	"ispctl"
	"ispctl/operations"
)

// TestSetPlanReachesVMs changes a plan under two VMs of which one runs.
func TestSetPlanReachesVMs(t *testing.T) {
	w := withVMs(t) // web1 and web2, on one plan
	ctx, o := t.Context(), operations.Options{}
	if _, err := w.SetVMsWanted(ctx, []string{"web2"}, ispctl.Stopped, o); err != nil {
		t.Fatal(err)
	}
	cpus, disk := 3, 5*ispctl.GiB
	r, err := w.SetPlan(ctx, "small", operations.PlanChange{CPUs: &cpus}, o)
	said := strings.Join(r.Intent, "\n")
	if err != nil || !strings.Contains(said, "next start on: ispctl vm restart web1") || strings.Contains(said, "web2") {
		t.Errorf("%s, %v", said, err)
	}
	for uuid, d := range w.domains.Domains {
		if d.CPUs != 3 {
			t.Errorf("domain %s has %d CPUs", uuid, d.CPUs)
		}
	}
	r, err = w.SetPlan(ctx, "small", operations.PlanChange{Disk: &disk}, o)
	if err != nil || len(r.Intent) != 1 {
		t.Errorf("%v, %v", r.Intent, err)
	}
	for uuid, g := range w.disks.Guests {
		if g.Size != disk {
			t.Errorf("the disk of %s has %s", uuid, g.Size)
		}
	}
}
