package operations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ispctl"
	"ispctl/state"
)

// changeVM is the way of operations on one VM that is to go on being there.
func (p *Provider) changeVM(ctx context.Context, verb, name string, o Options, do func(*state.Tx, *ispctl.Model, ispctl.VM) ([]string, error)) (Result, error) {
	return p.changeVMs(ctx, verb, []string{name}, o, do)
}

// changeVMs is that for several, all of them or none. A name may come twice.
func (p *Provider) changeVMs(ctx context.Context, verb string, names []string, o Options, do func(*state.Tx, *ispctl.Model, ispctl.VM) ([]string, error)) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "vm " + verb, Object: "vm " + strings.Join(names, ", ")}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		var said []string
		for _, name := range once(names) {
			vm, err := p.seen(m, name)
			if err != nil {
				return nil, err
			}
			if vm.Wanted == ispctl.Absent {
				return nil, ispctl.Conflicting("vm", name, "is being destroyed")
			}
			more, err := do(tx, m, vm)
			if err != nil {
				return nil, err
			}
			said = append(said, more...)
		}
		return said, nil
	})
}

// once is every name once, in the order in which they were given.
func once(names []string) (each []string) {
	for _, name := range names {
		if !slices.Contains(each, name) {
			each = append(each, name)
		}
	}
	return each
}

// SetVMsWanted starts or stops VMs, all of them or none, and waits until they
// have.
func (p *Provider) SetVMsWanted(ctx context.Context, names []string, wanted ispctl.Wanted, o Options) (Result, error) {
	verb := map[ispctl.Wanted]string{ispctl.Running: "start", ispctl.Stopped: "stop"}[wanted]
	return p.changeVMs(ctx, verb, names, o, func(tx *state.Tx, _ *ispctl.Model, vm ispctl.VM) ([]string, error) {
		if vm.Wanted == wanted && !vm.Paused {
			return nil, nil
		}
		vm.Wanted, vm.Paused = wanted, false
		return []string{fmt.Sprintf("~ vm %s %s", vm.Name, wanted)}, tx.UpdateVM(vm)
	})
}

// RestartVMs stops VMs and starts them. One that is stopped is started.
func (p *Provider) RestartVMs(ctx context.Context, names []string, o Options) (Result, error) {
	down, err := p.SetVMsWanted(ctx, names, ispctl.Stopped, o)
	if err != nil || o.DryRun {
		return down, err
	}
	up, err := p.SetVMsWanted(ctx, names, ispctl.Running, o)
	return Result{Intent: append(down.Intent, up.Intent...), Changes: append(down.Changes, up.Changes...)}, err
}

// PauseVMs lets the processors of VMs stand still, or go on. Their memory stays
// where it is.
func (p *Provider) PauseVMs(ctx context.Context, names []string, paused bool, o Options) (Result, error) {
	verb := map[bool]string{true: "pause", false: "resume"}[paused]
	return p.changeVMs(ctx, verb, names, o, func(tx *state.Tx, _ *ispctl.Model, vm ispctl.VM) ([]string, error) {
		if vm.Wanted != ispctl.Running {
			return nil, &ispctl.Error{
				Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", vm.Name), Cause: "is not running", Next: "start it: ispctl vm start " + string(vm.Name),
			}
		}
		if vm.Paused == paused {
			return nil, nil
		}
		vm.Paused = paused
		return []string{fmt.Sprintf("~ vm %s %sd", vm.Name, verb)}, tx.UpdateVM(vm)
	})
}

// RebuildVM makes a VM's first disk anew, from the newest image of its template
// or of another one. It keeps its name, addresses, keys, plan and run state; what
// was on the disk is gone.
func (p *Provider) RebuildVM(ctx context.Context, name, template string, o Options) (Result, error) {
	return p.changeVM(ctx, "rebuild", name, o, func(tx *state.Tx, m *ispctl.Model, vm ispctl.VM) ([]string, error) {
		if template == "" {
			template = string(vm.Template)
		}
		t, image, err := imageOf(p.Templates, m, template)
		if err != nil {
			return nil, err
		}
		vm.Template, vm.Image, vm.Paused = t.Name, image.Digest, false
		vm.Generation++
		vm.Number, vm.Restored, vm.Rescue = vm.Number+1, "", ""
		vm.Built, vm.Cloned = vm.Number, false
		said, err := dropSnapshots(tx, vm)
		if err != nil {
			return nil, err
		}
		if err := giveHostKey(m.Paths, &vm); err != nil {
			return nil, err
		}
		return append(said, fmt.Sprintf("~ vm %s made anew from image %s", name, image.Name)), errors.Join(tx.UpdateVM(vm), tx.SetHostKey(vm.ID, vm.HostKey))
	})
}

// RenameVM gives a VM that is stopped another name. Its address, forwards and
// keys stay; what the guest calls itself follows at its next start.
func (p *Provider) RenameVM(ctx context.Context, name string, to ispctl.Name, o Options) (Result, error) {
	return p.changeVM(ctx, "rename", name, o, func(tx *state.Tx, m *ispctl.Model, vm ispctl.VM) ([]string, error) {
		if vm.Name == to {
			return nil, nil
		}
		if vm.Wanted != ispctl.Stopped {
			return nil, &ispctl.Error{
				Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", name), Cause: "is running, and a process keeps its name",
				Next: "stop it: ispctl vm stop " + name,
			}
		}
		if _, err := m.VM(string(to)); err == nil {
			return nil, exists("vm", string(to), false)
		}
		return []string{fmt.Sprintf("~ vm %s is now %s", name, to)}, tx.RenameVM(vm, to)
	})
}

// VMChange is what `vm set` changes; what is nil stays.
type VMChange struct {
	Plan      *string
	Tenant    *string // empty: the operator's own
	SSHKeys   *[]string
	Autostart func(ispctl.Autostart) ispctl.Autostart // of what it was
}

// SetVM changes what a VM was made with.
func (p *Provider) SetVM(ctx context.Context, name string, c VMChange, o Options) (Result, error) {
	return p.changeVM(ctx, "set", name, o, func(tx *state.Tx, m *ispctl.Model, vm ispctl.VM) ([]string, error) {
		var said []string
		var errs []error
		next := vm
		if c.Plan != nil {
			next.Plan = ispctl.Name(*c.Plan)
		}
		more, err := resize(tx, m, vm, next)
		if err != nil {
			return nil, err
		}
		said = append(said, more...)
		if c.Autostart != nil {
			next.Autostart = c.Autostart(vm.Autostart)
		}
		if next.Autostart != vm.Autostart {
			said = append(said, fmt.Sprintf("~ vm %s %s", name, changes(field{"autostart", vm.Autostart, next.Autostart})))
			errs = append(errs, tx.UpdateVM(next))
		}
		if c.Tenant != nil && *c.Tenant != string(vm.Tenant) {
			line, err := p.giveVM(ctx, m, &next, *c.Tenant, o)
			if err != nil {
				return nil, err
			}
			said = append(said, line)
			errs = append(errs, tx.UpdateVM(next))
		}
		if c.SSHKeys != nil && !slices.Equal(*c.SSHKeys, vm.SSHKeys) {
			said = append(said, fmt.Sprintf("~ vm %s has %d SSH keys, which it takes at its next boot", name, len(*c.SSHKeys)))
			errs = append(errs, tx.SetKeys(vm.ID, *c.SSHKeys))
		}
		return said, errors.Join(errs...)
	})
}
