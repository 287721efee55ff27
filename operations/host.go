package operations

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"ispctl"
	"ispctl/state"
)

// Declaration is what the operator says of the host.
type Declaration struct {
	Uplink   ispctl.Uplink // without an interface: not mentioned
	Services []ispctl.Service
	Sources  *[]netip.Prefix // who may reach them, empty: everybody; nil: not mentioned
	Admin    AdminSpec
	Delivers *[]netip.Prefix // by the provider to the uplink, empty: not said; nil: not mentioned
}

// DeclareHost records the uplink, what the host answers on it and the admin
// network, and converges.
func (p *Provider) DeclareHost(ctx context.Context, d Declaration, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "init", Object: "uplink " + d.Uplink.Interface}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		// Whether there is to be an admin network is decided once.
		d.Admin.Default = d.Admin.Default && !m.Uplink.Configured() && len(m.HostServices)+len(m.Zones) == 0
		var said []string
		d.Uplink = keepHooks(keepRates(d.Uplink, m.Uplink), m.Uplink)
		if d.Delivers != nil && !slices.Equal(*d.Delivers, m.Delivers) {
			said = append(said, fmt.Sprintf("~ uplink delivers %v", *d.Delivers))
			if err := tx.SetDelivered(*d.Delivers); err != nil {
				return nil, err
			}
		}
		if d.Uplink.Configured() && d.Uplink != m.Uplink {
			said = append(said, "~ uplink "+d.Uplink.Interface)
			if err := tx.PutUplink(d.Uplink); err != nil {
				return nil, err
			}
		}
		services := slices.Clone(d.Services)
		slices.SortFunc(services, compareServices)
		if services = slices.Compact(services); !slices.Equal(services, m.HostServices) {
			said = append(said, "~ host services")
			if err := tx.SetHostServices(services); err != nil {
				return nil, err
			}
		}
		if d.Sources != nil {
			if sources := ispctl.SortHostSources(*d.Sources); !slices.Equal(sources, m.HostSources) {
				said = append(said, fmt.Sprintf("~ host sources %v", sources))
				if err := tx.SetHostSources(sources); err != nil {
					return nil, err
				}
			}
		}
		more, err := putAdmin(tx, d.Admin)
		return append(said, more...), err
	})
}

// StatusView is how the provider is, as scripts see it.
type StatusView struct {
	Root          string       `json:"root"`
	NetNS         string       `json:"netns"`
	Hypervisor    string       `json:"hypervisor"`
	Uplink        string       `json:"uplink"`
	Admin         AdminView    `json:"admin"`
	Zones         int          `json:"zones"`
	Addresses     int          `json:"addresses"`
	Forwards      int          `json:"forwards"`
	VMs           int          `json:"vms"`
	WantedRunning int          `json:"vms_wanted_running"`
	Faults        []FaultView  `json:"faults"`  // what the last pass could not do
	Pending       []string     `json:"pending"` // what a pass would do now
	Confirm       PendingView  `json:"confirm"` // the change that awaits its confirmation
	Serve         ServeView    `json:"serve"`
	Unheld        []UnheldView `json:"unheld"` // limits that this host cannot hold VMs to
	Fallbacks     []Fallback   `json:"fallbacks"`
}

// ServeView is whether the resident part runs.
type ServeView struct {
	Running bool `json:"running"`
	PID     int  `json:"pid,omitempty"`
}

// FaultView is something that is not as wanted.
type FaultView struct {
	Object string `json:"object"`
	Error  string `json:"error"`
}

// Status looks at everything and changes nothing.
func (p *Provider) Status(ctx context.Context) (StatusView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return StatusView{}, err
	}
	faults, err := p.Store.Faults(ctx)
	if err != nil {
		return StatusView{}, err
	}
	pending, err := p.Converge(ctx, Options{DryRun: true}, false)
	if err != nil {
		return StatusView{}, err
	}
	confirm, err := p.Pending()
	if err != nil {
		return StatusView{}, err
	}
	serve, err := p.serving()
	if err != nil {
		return StatusView{}, err
	}
	s := StatusView{
		Confirm: confirm, Serve: serve, Admin: viewAdmin(m),
		Root: m.Paths.Root, NetNS: m.Installation.NetNS, Hypervisor: m.Installation.Hypervisor, Uplink: m.Uplink.Interface,
		Zones: len(m.Zones), Addresses: len(m.Addresses), Forwards: len(m.Forwards), VMs: len(m.VMs),
		Faults: []FaultView{}, Pending: []string{}, Unheld: p.unheldLimits(m), Fallbacks: p.fallbacks(),
	}
	for _, vm := range m.VMs {
		if vm.Wanted == ispctl.Running {
			s.WantedRunning++
		}
	}
	for _, f := range faults {
		s.Faults = append(s.Faults, FaultView{f.Object, f.Error})
	}
	for _, c := range pending.Changes {
		s.Pending = append(s.Pending, c.String())
	}
	return s, nil
}

func (p *Provider) serving() (ServeView, error) {
	if p.Serving == nil {
		return ServeView{}, nil
	}
	pid, running, err := p.Serving()
	return ServeView{running, pid}, err
}

// keepHooks keeps what is known of the same uplink and was not mentioned.
func keepHooks(u, have ispctl.Uplink) ispctl.Uplink {
	if u.Interface != have.Interface {
		return u
	}
	if u.OnMove == "" && u.Kind == ispctl.Failover {
		u.OnMove = have.OnMove
	}
	if u.Rest == 0 {
		u.Rest = have.Rest
	}
	return u
}
