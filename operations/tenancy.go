package operations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ispctl"
	"ispctl/meter/report"
)

// Tenancy is the provider as one of its tenants has it: what is not the tenant's
// is not there, and is answered as what never was.
type Tenancy struct {
	p      *Provider
	tenant ispctl.Name
}

// For is the provider as a tenant has it.
func (p *Provider) For(tenant ispctl.Name) *Tenancy {
	scoped := *p
	scoped.only = tenant
	scoped.Progress = nil // it tells of the whole host
	return &Tenancy{p: &scoped, tenant: tenant}
}

// OwnVMView is a VM as its tenant sees it.
type OwnVMView struct {
	Name      ispctl.Name   `json:"name"`
	State     string        `json:"state"`
	Wanted    ispctl.Wanted `json:"wanted"`
	Plan      ispctl.Name   `json:"plan"`
	Template  ispctl.Name   `json:"template"`
	Addresses []string      `json:"addresses"`
	External  []string      `json:"external"`
	Forwards  []string      `json:"forwards"`
	Admin     string        `json:"admin_address"`
	CreatedAt time.Time     `json:"created_at"`
}

// own finds a VM among those of the tenant.
func own(m *ispctl.Model, tenant ispctl.Name, name string) (ispctl.VM, error) {
	vm, err := m.VM(name)
	if err == nil && vm.Tenant == tenant {
		return vm, nil
	}
	err = ispctl.NotFoundError("vm", name, m.VMsOf(tenant))
	if e, is := errors.AsType[*ispctl.Error](err); is {
		e.Next = "see: vm list"
	}
	return ispctl.VM{}, err
}

// seen is the VM of that name, for whoever this provider is for.
func (p *Provider) seen(m *ispctl.Model, name string) (ispctl.VM, error) {
	if p.only == "" {
		return m.VM(name)
	}
	vm, err := own(m, p.only, name)
	if err != nil {
		return vm, err
	}
	if m.Suspended(vm) {
		return vm, &ispctl.Error{Kind: ispctl.Permission, Object: fmt.Sprintf("tenant %q", p.only), Cause: "is suspended", Next: "ask your provider"}
	}
	return vm, nil
}

// VMs lists the tenant's VMs.
func (t *Tenancy) VMs(ctx context.Context) ([]OwnVMView, error) {
	m, err := t.p.Store.Model(ctx)
	if err != nil {
		return nil, t.hide("", err)
	}
	var vms []ispctl.VM
	for _, vm := range m.VMs {
		if vm.Tenant == t.tenant {
			vms = append(vms, vm)
		}
	}
	return t.view(ctx, m, vms)
}

// VM shows one VM of the tenant.
func (t *Tenancy) VM(ctx context.Context, name string) (OwnVMView, error) {
	m, err := t.p.Store.Model(ctx)
	if err != nil {
		return OwnVMView{}, t.hide(name, err)
	}
	vm, err := own(m, t.tenant, name)
	if err != nil {
		return OwnVMView{}, err
	}
	views, err := t.view(ctx, m, []ispctl.VM{vm})
	if err != nil {
		return OwnVMView{}, err
	}
	return views[0], nil
}

func (t *Tenancy) view(ctx context.Context, m *ispctl.Model, vms []ispctl.VM) ([]OwnVMView, error) {
	all, err := t.p.viewVMs(ctx, m, vms)
	if err != nil {
		return nil, t.hide("", err)
	}
	views := make([]OwnVMView, len(all))
	for i, v := range all {
		views[i] = OwnVMView{
			Name: v.Name, State: v.State, Wanted: v.Wanted, Plan: v.Plan, Template: v.Template, Addresses: list(v.Addresses),
			External: []string{}, Forwards: []string{}, Admin: v.AdminAddress, CreatedAt: v.CreatedAt,
		}
		for _, a := range v.External {
			views[i].External = append(views[i].External, a.Address)
		}
		for _, f := range v.Forwards {
			views[i].Forwards = append(views[i].Forwards, f.Listen+" to "+f.To)
		}
	}
	return views, nil
}

// Console is the id of a VM, for who goes on to its console.
func (t *Tenancy) Console(ctx context.Context, name string) (uuid string, err error) {
	m, err := t.p.Store.Model(ctx)
	if err != nil {
		return "", t.hide(name, err)
	}
	vm, err := own(m, t.tenant, name)
	return vm.UUID, err
}

// Act is what a tenant may do to a VM.
type Act string

// The acts.
const (
	StartAct   Act = "start"
	StopAct    Act = "stop"
	RestartAct Act = "restart"
	RebuildAct Act = "rebuild"
)

// Do does something to a VM of the tenant, and waits until the host has done it.
func (t *Tenancy) Do(ctx context.Context, act Act, name string) error {
	do := map[Act]func() (Result, error){
		StartAct:   func() (Result, error) { return t.p.SetVMsWanted(ctx, []string{name}, ispctl.Running, Options{}) },
		StopAct:    func() (Result, error) { return t.p.SetVMsWanted(ctx, []string{name}, ispctl.Stopped, Options{}) },
		RestartAct: func() (Result, error) { return t.p.RestartVMs(ctx, []string{name}, Options{}) },
		RebuildAct: func() (Result, error) { return t.p.RebuildVM(ctx, name, "", Options{}) },
	}[act]
	_, err := do()
	return t.hide(name, err)
}

// hide keeps from a tenant what an error says of others: one about its own VM, or
// about itself, is told without what the operator should do next, and any other
// is told as what it comes to.
func (t *Tenancy) hide(name string, err error) error {
	if err == nil {
		return nil
	}
	object := fmt.Sprintf("vm %q", name)
	// What wraps it may say more than it.
	if e, is := errors.AsType[*ispctl.Error](err); is && e.Err == nil && e.Error() == err.Error() {
		switch {
		case e.Kind == ispctl.NotFound && e.Object == object, e.Kind == ispctl.Permission && e.Object == fmt.Sprintf("tenant %q", t.tenant):
			return e
		case e.Object == object:
			return &ispctl.Error{Kind: e.Kind, Object: e.Object, Cause: e.Cause}
		}
	}
	kind := ispctl.KindOf(err)
	if kind != ispctl.Conflict && kind != ispctl.TimedOut {
		kind = ispctl.Failed
	}
	if name == "" {
		object = ""
	}
	return &ispctl.Error{Kind: kind, Object: object, Cause: "that cannot be done at the moment", Next: "try again; if it stays so, ask your provider"}
}

// Usage is what the tenant's VMs have sent and received while they were its own.
func (t *Tenancy) Usage(ctx context.Context, name string, q UsageQuery) ([]UsageView, error) {
	m, err := t.p.Store.Model(ctx)
	if err != nil {
		return nil, t.hide(name, err)
	}
	q.tenant = t.tenant
	if name != "" {
		vm, err := own(m, t.tenant, name)
		if err != nil {
			return nil, err
		}
		q.uuid = vm.UUID
	}
	views, err := t.p.Usage(ctx, q)
	if err != nil && ispctl.KindOf(err) != ispctl.Usage {
		err = t.hide(name, err)
	}
	return views, err
}

// Report is the tenant's part of a month's report.
func (t *Tenancy) Report(ctx context.Context, month string) (*report.Report, error) {
	r, err := t.p.MonthlyReport(ctx, ReportQuery{Month: month, Kind: GroupTenant, Group: string(t.tenant)})
	switch {
	case err == nil:
		r.Notes = []report.Note{} // they are of the whole host
		return r, nil
	case ispctl.KindOf(err) == ispctl.Usage:
		return nil, err
	}
	return nil, t.hide("", err)
}
