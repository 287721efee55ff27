package operations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/state"
)

// QuotaNotice is what somebody who is to be told of a quota gets to know, as
// JSON.
type QuotaNotice struct {
	Event     meter.Event      `json:"event"` // warned, reached or released
	VM        ispctl.Name      `json:"vm"`
	UUID      string           `json:"uuid"`
	Plan      ispctl.Name      `json:"plan"`
	Tenant    ispctl.Name      `json:"tenant"` // whose quota it is; empty: the VM's own, or its plan's
	Used      uint64           `json:"used_bytes"`
	Volume    int64            `json:"volume_bytes"`
	Direction ispctl.Direction `json:"direction"`
	Action    ispctl.Action    `json:"action"`
	Rate      int64            `json:"rate_bits_per_second"`
	From      time.Time        `json:"from"`
	Until     time.Time        `json:"until"`
	At        time.Time        `json:"at"`
}

// SetQuota makes or changes the quota of a VM, a tenant or a plan.
func (p *Provider) SetQuota(ctx context.Context, q ispctl.Quota, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "quota set", Object: q.Object()}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		for _, have := range m.Quotas {
			if have == q {
				return nil, nil
			}
		}
		return []string{"~ quota " + describeQuota(q)}, tx.PutQuota(q)
	})
}

func describeQuota(q ispctl.Quota) string {
	s := fmt.Sprintf("%s %s %s %s", q.Object(), q.Volume, q.Direction, q.Action)
	if q.Action == ispctl.ActionThrottle {
		s += " " + q.Rate.String()
	}
	return s
}

// RemoveQuota takes the quota of a VM, a tenant or a plan away, and with it what it did.
func (p *Provider) RemoveQuota(ctx context.Context, q ispctl.Quota, ifExists bool, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "quota remove", Object: q.Object()}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		for _, have := range m.Quotas {
			if have.Same(q) {
				return []string{"- quota " + describeQuota(have)}, errors.Join(tx.DeleteQuota(q), p.releaseAll(ctx, tx, m, q))
			}
		}
		return nil, missing(&ispctl.Error{Kind: ispctl.NotFound, Object: "quota of " + q.Object(), Cause: "not found", Next: "see: ispctl quota list"}, ifExists)
	})
}

// releaseAll ends what a quota did to those it was of.
func (p *Provider) releaseAll(ctx context.Context, tx *state.Tx, m *ispctl.Model, gone ispctl.Quota) error {
	states, err := p.Store.QuotaStates(ctx)
	if err != nil {
		return err
	}
	for _, vm := range m.VMs {
		if q, ok := m.QuotaOf(vm); ok && q.Same(gone) {
			if _, there := states[vm.ID]; there {
				if err := tx.DeleteQuotaState(vm.ID); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// LiftQuota ends what is done to a VM for its quota, until the period ends.
func (p *Provider) LiftQuota(ctx context.Context, name string, o Options) (Result, error) {
	states, err := p.Store.QuotaStates(ctx)
	if err != nil {
		return Result{}, err
	}
	return p.change(ctx, o, state.Entry{Operation: "quota lift", Object: "vm " + name}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		vm, err := m.VM(name)
		if err != nil {
			return nil, err
		}
		s, there := states[vm.ID]
		if !there || s.Acting == "" || s.Lifted {
			return nil, nil
		}
		s.Lifted, s.Acting, s.Rate = true, "", 0
		return []string{fmt.Sprintf("~ quota of vm %s lifted until %s", name, s.Until.UTC().Format(time.RFC3339))}, tx.PutQuotaState(s)
	})
}
