package operations

import (
	"context"
	"slices"

	"ispctl"
	"ispctl/state"
)

// DeclareHost records the uplink and what the host answers on it, and
// converges. An uplink without an interface is one that was not mentioned.
func (p *Provider) DeclareHost(ctx context.Context, u ispctl.Uplink, services []ispctl.Service, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "init", Object: "uplink " + u.Interface}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		var said []string
		if u.Configured() && u != m.Uplink {
			said = append(said, "~ uplink "+u.Interface)
			if err := tx.PutUplink(u); err != nil {
				return nil, err
			}
		}
		services = slices.Clone(services)
		slices.SortFunc(services, compareServices)
		if services = slices.Compact(services); !slices.Equal(services, m.HostServices) {
			said = append(said, "~ host services")
			if err := tx.SetHostServices(services); err != nil {
				return nil, err
			}
		}
		return said, nil
	})
}

// StatusView is how the provider is, as scripts see it.
type StatusView struct {
	Root          string      `json:"root"`
	NetNS         string      `json:"netns"`
	Hypervisor    string      `json:"hypervisor"`
	Uplink        string      `json:"uplink"`
	Zones         int         `json:"zones"`
	Addresses     int         `json:"addresses"`
	Forwards      int         `json:"forwards"`
	VMs           int         `json:"vms"`
	WantedRunning int         `json:"vms_wanted_running"`
	Faults        []FaultView `json:"faults"`  // what the last pass could not do
	Pending       []string    `json:"pending"` // what a pass would do now
	Confirm       PendingView `json:"confirm"` // the change that awaits its confirmation
	Serve         ServeView   `json:"serve"`
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
		Confirm: confirm, Serve: serve,
		Root: m.Paths.Root, NetNS: m.Installation.NetNS, Hypervisor: m.Installation.Hypervisor, Uplink: m.Uplink.Interface,
		Zones: len(m.Zones), Addresses: len(m.Addresses), Forwards: len(m.Forwards), VMs: len(m.VMs),
		Faults: []FaultView{}, Pending: []string{},
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
