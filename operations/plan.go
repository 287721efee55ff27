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
			return []string{fmt.Sprintf("+ plan %s cpus %d memory %s disk %s", plan.Name, plan.CPUs, plan.Memory, plan.Disk)}, tx.PutPlan(plan)
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
