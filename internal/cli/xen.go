package cli

import (
	"context"
	"net"
	"sync"

	"ispctl"
	"ispctl/net/bridge"
	"ispctl/qos"
	"ispctl/vm"
)

// vifs are the ports of guests on Xen, which come with the guest: too late for
// the layers that make ports and queues, and before its first instruction.
type vifs struct {
	links  *bridge.Kernel
	queues *qos.Kernel

	mu    sync.Mutex
	ports bridge.State
	want  qos.State
}

// bridges is [bridge.Desired], and remembers what it said.
func (v *vifs) bridges(m *ispctl.Model) (bridge.State, error) {
	want, err := bridge.Desired(m)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ports = want
	return want, err
}

// shaped is what desired says, less the ports that are not there: those of
// guests that do not run. What it leaves out is remembered.
func (v *vifs) shaped(desired func(*ispctl.Model) (qos.State, error)) func(*ispctl.Model) (qos.State, error) {
	return func(m *ispctl.Model) (qos.State, error) {
		all, err := desired(m)
		if err != nil {
			return all, err
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.want = all
		there := qos.State{Ports: map[string]qos.Port{}, Uplink: all.Uplink}
		for name, port := range all.Ports {
			if _, err := net.InterfaceByName(name); err == nil {
				there.Ports[name] = port
			}
		}
		return there, nil
	}
}

// ready makes the vifs of a guest that stands still what its taps would be:
// ports of their bridges, then shaped, and only then up.
func (v *vifs) ready(ctx context.Context, d vm.Domain) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var names []string
	for _, nic := range d.NICs {
		names = append(names, nic.Tap)
	}
	if err := v.links.Adopt(names); err != nil {
		return err
	}
	have, err := v.links.Observe(ctx)
	if err != nil {
		return err
	}
	var before, up []bridge.Change
	for _, c := range bridge.Diff(v.ports.Only(names), have.Only(names)) {
		if c.Act == bridge.SetUp {
			up = append(up, c)
		} else {
			before = append(before, c)
		}
	}
	if err := v.links.Apply(ctx, before); err != nil {
		return err
	}
	mine := qos.State{Ports: map[string]qos.Port{}}
	for _, name := range names {
		if port, shaped := v.want.Ports[name]; shaped {
			mine.Ports[name] = port
		}
	}
	if err := v.queues.Apply(ctx, qos.Diff(mine, qos.State{})); err != nil {
		return err
	}
	return v.links.Apply(ctx, up)
}
