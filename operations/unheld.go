package operations

import (
	"context"
	"slices"

	"ispctl"
)

// UnheldView is a limit that this host cannot hold VMs to, and why.
type UnheldView struct {
	Limit string        `json:"limit"`
	Why   string        `json:"why"`
	VMs   []ispctl.Name `json:"vms"` // that have it
}

// UnheldLimits are the limits of VMs that this host cannot hold.
func (p *Provider) UnheldLimits(ctx context.Context) ([]UnheldView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	return p.unheldLimits(m), nil
}

// unheldLimits are those that VMs have and this host lacks the means for.
func (p *Provider) unheldLimits(m *ispctl.Model) []UnheldView {
	unheld := []UnheldView{}
	if p.Unheld == nil {
		return unheld
	}
	lacks := p.Unheld()
	for _, f := range ispctl.LimitTable() {
		why, lacking := lacks[f.Name]
		if !lacking {
			continue
		}
		v := UnheldView{Limit: f.Name, Why: why}
		for vm := range m.Guests() {
			if f.Text(m.LimitsOf(vm)) != "" {
				v.VMs = append(v.VMs, vm.Name)
			}
		}
		if slices.Sort(v.VMs); len(v.VMs) > 0 {
			unheld = append(unheld, v)
		}
	}
	return unheld
}

// Fallback is something that a host's kernel lacks, and what is done instead.
type Fallback struct {
	Lacks   string `json:"lacks"`
	Instead string `json:"instead"`
	Means   string `json:"means"` // to the VMs, or the operator
}

func (p *Provider) fallbacks() []Fallback {
	if p.Fallbacks == nil {
		return []Fallback{}
	}
	return append([]Fallback{}, p.Fallbacks()...)
}
