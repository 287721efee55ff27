package operations

import (
	"context"
	"fmt"

	"ispctl"
	"ispctl/state"
)

// CreatePlan makes a plan.
func (p *Provider) CreatePlan(ctx context.Context, plan ispctl.Plan, ifNotExists bool, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "plan create", Object: "plan " + string(plan.Name)},
		func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			if _, err := m.Plan(string(plan.Name)); err == nil {
				return nil, exists("plan", string(plan.Name), ifNotExists)
			}
			return []string{"+ plan " + planText(plan)}, tx.PutPlan(plan)
		})
}

// DeletePlan removes a plan that no VM is on.
func (p *Provider) DeletePlan(ctx context.Context, name string, ifExists bool, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "plan delete", Object: "plan " + name},
		func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			plan, err := m.Plan(name)
			if err != nil {
				return nil, missing(err, ifExists)
			}
			if vms := m.VMsOn(plan.Name); len(vms) > 0 {
				return nil, inUse("plan", name, "vm", vms, "put them on another plan first")
			}
			return []string{"- plan " + name}, tx.DeletePlan(plan.Name)
		})
}

// Plans lists the plans.
func (p *Provider) Plans(ctx context.Context) ([]PlanView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]PlanView, len(m.Plans))
	for i, plan := range m.Plans {
		views[i] = viewPlan(m, plan)
	}
	return views, nil
}

// Plan shows one plan.
func (p *Provider) Plan(ctx context.Context, name string) (PlanView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return PlanView{}, err
	}
	plan, err := m.Plan(name)
	if err != nil {
		return PlanView{}, err
	}
	return viewPlan(m, plan), nil
}

// planText is a plan in one line.
func planText(p ispctl.Plan) string {
	text := fmt.Sprintf("%s cpus %d memory %s disk %s", p.Name, p.CPUs, p.Memory, p.Disk)
	if limits := p.Limits.String(); limits != "" {
		text += " " + limits
	}
	return text
}

func limitsText(l ispctl.Limits) string {
	if text := l.String(); text != "" {
		return "(" + text + ")"
	}
	return "none"
}

// PlanChange is what of a plan is to be otherwise; nil and empty: it stays.
type PlanChange struct {
	CPUs         *int
	Memory, Disk *ispctl.Size
	Limits       map[string]string // by name, as [ispctl.Limit.Set] reads them
}

// SetPlan changes a plan, and with it all its VMs.
func (p *Provider) SetPlan(ctx context.Context, name string, c PlanChange, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "plan set", Object: "plan " + name},
		func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			have, err := m.Plan(name)
			if err != nil {
				return nil, err
			}
			want := have
			if c.CPUs != nil {
				want.CPUs = *c.CPUs
			}
			if c.Memory != nil {
				want.Memory = *c.Memory
			}
			if c.Disk != nil {
				want.Disk = *c.Disk
			}
			if err := setLimits(&want.Limits, c.Limits, ispctl.Limit.Set); err != nil {
				return nil, err
			}
			if want == have {
				return nil, nil
			}
			if vms := m.VMsOn(have.Name); want.Disk < have.Disk && len(vms) > 0 {
				return nil, inUse("plan", name, "vm", vms, "their disks cannot shrink; make another plan")
			}
			return append([]string{"~ plan " + planText(want)}, needRestart(m, have, want)...), tx.PutPlan(want)
		})
}

// needRestart says which VMs on a plan go on with the CPUs and the memory that
// they were started with. All else of a plan reaches them as they run.
func needRestart(m *ispctl.Model, have, want ispctl.Plan) []string {
	if have.CPUs == want.CPUs && have.Memory == want.Memory {
		return nil
	}
	var lines []string
	for _, vm := range m.VMs {
		if vm.Plan == have.Name && vm.Wanted == ispctl.Running && vm.PlanOf(have) != vm.PlanOf(want) {
			lines = append(lines, restartLine(vm, vm.PlanOf(want)))
		}
	}
	return lines
}

// setLimits reads limits by their names.
func setLimits(l *ispctl.Limits, texts map[string]string, set func(ispctl.Limit, *ispctl.Limits, string) error) error {
	for _, f := range ispctl.LimitTable() {
		if text, given := texts[f.Name]; given {
			if err := set(f, l, text); err != nil {
				return err
			}
		}
	}
	return nil
}
