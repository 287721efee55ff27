package operations_test

import (
	"errors"
	"testing"

	"ispctl"
	"ispctl/operations"
)

// TestHypervisorRefuses: what the hypervisor cannot give is refused before there is
// anything of it; a guest that it could not give that before keeps nobody from
// changing something else.
func TestHypervisorRefuses(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.ok(w.CreateVM(ctx, spec("a"), false, options{}))
	w.CheckGuests = func(m *ispctl.Model) error {
		for vm := range m.Guests() {
			if vm.Name == "b" || vm.Wanted == ispctl.Stopped {
				return ispctl.Conflicting("vm", string(vm.Name), "is not to this hypervisor's liking")
			}
		}
		return nil
	}
	before := w.model()
	_, err := w.CreateVM(ctx, spec("b"), false, options{})
	refused(t, err, ispctl.Conflict, `vm "b": is not to this hypervisor's liking`)
	_, err = w.SetVMsWanted(ctx, []string{"a"}, ispctl.Stopped, options{DryRun: true})
	refused(t, err, ispctl.Conflict, `vm "a": is not to this hypervisor's liking`)
	if now := w.model(); len(now.VMs) != len(before.VMs) {
		t.Errorf("%d VMs, before %d", len(now.VMs), len(before.VMs))
	}
	w.CheckGuests = func(*ispctl.Model) error { return errors.New("nothing is") }
	w.ok(w.CreateVM(ctx, spec("b"), false, operations.Options{}))
}
