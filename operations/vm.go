package operations

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ispctl"
	"ispctl/state"
)

// CreateVM makes a VM and starts it.
func (p *Provider) CreateVM(ctx context.Context, spec VMSpec, ifNotExists bool, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{
		Operation: "vm create", Object: "vm " + string(spec.Name),
		Detail: fmt.Sprintf("template %s zone %s plan %s", spec.Template, spec.Zone, spec.Plan),
	}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		if have, err := m.VM(string(spec.Name)); err == nil {
			if have.Wanted == ispctl.Absent {
				return nil, &ispctl.Error{
					Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", spec.Name), Cause: "one of that name is still being destroyed",
					Next: "finish it: ispctl converge",
				}
			}
			return nil, exists("vm", string(spec.Name), ifNotExists)
		}
		vm, err := newMaker(tx, m, p.Templates).create(spec)
		if err != nil {
			return nil, err
		}
		return []string{fmt.Sprintf("+ vm %s %s in zone %s", vm.Name, vm.NICs[0].Addr, vm.Zone)}, nil
	})
}

// DestroyVMs removes VMs with their disks and the forwards to them. One that is
// not there is an error, unless ifExists, and then none is removed.
func (p *Provider) DestroyVMs(ctx context.Context, names []string, ifExists bool, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "vm destroy", Object: "vm " + strings.Join(names, ", ")}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		var said []string
		if !o.DryRun {
			p.lastSample(ctx)
		}
		for i, name := range names {
			if slices.Contains(names[:i], name) {
				continue
			}
			vm, err := m.VM(name)
			if err != nil {
				if err = missing(err, ifExists); err != nil {
					return nil, err
				}
				continue
			}
			more, err := destroy(tx, m, vm)
			if err != nil {
				return nil, err
			}
			said = append(said, more...)
		}
		return said, nil
	})
}

// destroy wants a VM absent, and with it what leads to it.
func destroy(tx *state.Tx, m *ispctl.Model, vm ispctl.VM) ([]string, error) {
	var said []string
	for _, f := range m.Forwards {
		if f.VM == vm.Name {
			if err := tx.DeleteForward(f.Listen); err != nil {
				return nil, err
			}
			said = append(said, "- forward "+f.Outside()+" to "+f.To())
		}
	}
	for _, f := range m.FlowsOf(vm.Name) {
		if err := tx.DeleteFlow(f); err != nil {
			return nil, err
		}
		said = append(said, "- flow "+f.Name())
	}
	for _, a := range m.AddressesOf(vm.Name, ispctl.VMModes...) {
		more, err := release(tx, m, a)
		if err != nil {
			return nil, err
		}
		said = append(said, more...)
	}
	vm.Wanted = ispctl.Absent
	return append(said, "- vm "+string(vm.Name)), tx.UpdateVM(vm)
}

// VMs lists the VMs, absent ones that are not yet gone included.
func (p *Provider) VMs(ctx context.Context) ([]VMView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	return p.viewVMs(ctx, m, m.VMs)
}

// VM shows one VM.
func (p *Provider) VM(ctx context.Context, name string) (VMView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return VMView{}, err
	}
	vm, err := m.VM(name)
	if err != nil {
		return VMView{}, err
	}
	views, err := p.viewVMs(ctx, m, []ispctl.VM{vm})
	if err != nil {
		return VMView{}, err
	}
	views[0].Console = p.console(ctx, vm)
	return views[0], nil
}
