package operations

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ispctl"
	"ispctl/state"
)

// CreateVM makes a VM and starts it.
func (p *Provider) CreateVM(ctx context.Context, spec VMSpec, ifNotExists bool, o Options) (Result, error) {
	return p.CreateVMs(ctx, []VMSpec{spec}, ifNotExists, o)
}

// MaxAlike is how many VMs are made at once at the most: far more than a host
// holds, and few enough that a slip of the finger is refused at once.
const MaxAlike = 1000

// Alike is count specs that differ in their names, NAME-1 and so on. What only
// one VM can have must not be asked for.
func Alike(spec VMSpec, count int) ([]VMSpec, error) {
	if count < 1 || count > MaxAlike {
		return nil, ispctl.Invalid("count", strconv.Itoa(count), "is not 1 to %d", MaxAlike)
	}
	if spec.Address.IsValid() || spec.Address6.IsValid() {
		return nil, &ispctl.Error{
			Kind: ispctl.Usage, Object: fmt.Sprintf("vm %q", spec.Name), Cause: "is to be several, which cannot share one address",
			Next: "leave --address and --address6 out, and each gets the lowest free one",
		}
	}
	specs := make([]VMSpec, count)
	for i := range specs {
		name, err := ispctl.ParseName("vm", fmt.Sprintf("%s-%d", spec.Name, i+1))
		if err != nil {
			return nil, err
		}
		specs[i] = spec
		specs[i].Name = name
	}
	return specs, nil
}

// CreateVMs makes VMs and starts them: all of them, in one transaction and one
// pass, or none.
func (p *Provider) CreateVMs(ctx context.Context, specs []VMSpec, ifNotExists bool, o Options) (Result, error) {
	if len(specs) == 0 {
		return Result{}, ispctl.Invalid("vm", "", "no VM is asked for")
	}
	one := specs[0]
	entry := state.Entry{
		Operation: "vm create", Object: "vm " + string(one.Name),
		Detail: fmt.Sprintf("template %s zone %s plan %s", one.Template, one.Zone, one.Plan),
	}
	if last := len(specs) - 1; last > 0 {
		entry.Object += " to " + string(specs[last].Name)
	}
	return p.change(ctx, o, entry, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		var said []string
		mk := newMaker(tx, m, p.Templates)
		for _, spec := range specs {
			if have, err := m.VM(string(spec.Name)); err == nil {
				if err := taken(have, ifNotExists); err != nil {
					return nil, err
				}
				continue
			}
			vm, err := mk.create(spec)
			if err != nil {
				return nil, err
			}
			said = append(said, fmt.Sprintf("+ vm %s %s in zone %s", vm.Name, vm.NICs[0].Addr, vm.Zone))
		}
		return said, nil
	})
}

// NotThere is those of the names that no VM has.
func (p *Provider) NotThere(ctx context.Context, names []string) ([]string, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, err := m.VM(name)
		return err == nil
	}), nil
}

// taken is the error of making a VM whose name this one has.
func taken(have ispctl.VM, fine bool) error {
	if have.Wanted == ispctl.Absent {
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", have.Name), Cause: "one of that name is still being destroyed",
			Next: "finish it: ispctl converge",
		}
	}
	return exists("vm", string(have.Name), fine)
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
		for _, name := range once(names) {
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
