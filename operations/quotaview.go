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

// QuotaView is a VM's quota and how it stands, as scripts see it.
type QuotaView struct {
	VM        ispctl.Name      `json:"vm"`
	Plan      ispctl.Name      `json:"plan"`   // whose quota it is; empty: not a plan's
	Tenant    ispctl.Name      `json:"tenant"` // whose VMs it counts together; empty: not a tenant's
	Volume    int64            `json:"volume_bytes"`
	Used      uint64           `json:"used_bytes"`
	Percent   int              `json:"percent"`
	Direction ispctl.Direction `json:"direction"`
	Action    ispctl.Action    `json:"action"`
	Rate      int64            `json:"rate_bits_per_second"`
	State     string           `json:"state"` // ok, warned, reached, throttled, blocked or lifted
	From      time.Time        `json:"from"`
	Until     time.Time        `json:"until"`
}

// Quotas lists the VMs that have a quota.
func (p *Provider) Quotas(ctx context.Context) ([]QuotaView, error) {
	usage, c, err := p.openUsage(ctx)
	if err != nil {
		return nil, err
	}
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	states, err := p.Store.QuotaStates(ctx)
	if err != nil {
		return nil, err
	}
	s := &Sampler{p: p, usage: usage, model: m, calendar: c}
	views := []QuotaView{}
	now := p.Clock.Now()
	usedBy := s.usedBy(ctx, now)
	for vm := range m.Guests() {
		q, limited := m.QuotaOf(vm)
		if !limited {
			continue
		}
		period := c.Month(now, q.Day)
		used, err := usedBy(q)
		if err != nil {
			return nil, err
		}
		views = append(views, viewQuota(vm, q, states[vm.ID], period, meter.Bytes(q.Direction, used[countedBy(q, vm)])))
	}
	return views, nil
}

func viewQuota(vm ispctl.VM, q ispctl.Quota, s state.QuotaState, period meter.Period, used uint64) QuotaView {
	v := QuotaView{
		VM: vm.Name, Plan: q.Plan, Tenant: q.Tenant, Volume: int64(q.Volume), Used: used, Percent: int(min(float64(used)/float64(q.Volume)*100, 1e6)), Direction: q.Direction,
		Action: q.Action, Rate: int64(q.Rate), State: "ok", From: period.From, Until: period.To,
	}
	if !s.Since.Equal(period.From) {
		return v // the next look begins the period
	}
	switch {
	case s.Lifted:
		v.State = "lifted"
	case s.Acting == ispctl.ActionThrottle:
		v.State = "throttled"
	case s.Acting == ispctl.ActionBlock:
		v.State = "blocked"
	case s.Step == 100:
		v.State = "reached"
	case s.Step == 80:
		v.State = "warned"
	}
	return v
}

// Quota is the quota of one VM, and how it stands.
func (p *Provider) Quota(ctx context.Context, name string) (QuotaView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return QuotaView{}, err
	}
	vm, err := m.VM(name)
	if err != nil {
		return QuotaView{}, err
	}
	all, err := p.Quotas(ctx)
	for _, v := range all {
		if v.VM == vm.Name {
			return v, err
		}
	}
	return QuotaView{}, errors.Join(err, &ispctl.Error{
		Kind: ispctl.NotFound, Object: fmt.Sprintf("quota of vm %q", name), Cause: "not found", Next: "make one: ispctl quota set " + name + " --volume 1TB",
	})
}
