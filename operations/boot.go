package operations

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ispctl"
	"ispctl/state"
)

// noteBoot sees to it that, after the host has booted, VMs whose autostart is off
// stay stopped: all others that ran come again by the next pass. The caller has
// the host lock.
func (p *Provider) noteBoot(ctx context.Context) error {
	if p.Clock == nil {
		return nil
	}
	now, err := p.Clock.BootID()
	if err != nil {
		return err
	}
	last, err := p.Store.Boot(ctx)
	if err != nil || now == last {
		return err
	}
	m, err := p.Store.Model(ctx)
	if err != nil {
		return err
	}
	stays := slices.ContainsFunc(slices.Collect(m.Guests()), func(vm ispctl.VM) bool { return vm.Autostart.Off && vm.Wanted == ispctl.Running })
	if last == "" || !stays { // what ran before is not known, or all of it comes again
		return p.Store.NoteBoot(ctx, now)
	}
	_, err = p.Store.Update(ctx, state.Entry{Actor: p.Actor, Operation: "boot", Object: "host", Detail: now}, func(tx *state.Tx) error {
		if err := tx.PutBoot(now); err != nil {
			return err
		}
		for vm := range m.Guests() {
			if vm.Autostart.Off && vm.Wanted == ispctl.Running {
				vm.Wanted, vm.Paused = ispctl.Stopped, false
				if err := tx.UpdateVM(vm); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return err
}

// ShutdownHost stops all guests for the host to go down: those that were started
// last first, each wave with its share of the time. Intent stays: those that ran
// are started by the next pass, which is that of the next boot.
func (p *Provider) ShutdownHost(ctx context.Context, within time.Duration) (said []string, err error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(within)
	all := stopWaves(m)
	var errs []error
	for i, wave := range all {
		grace := max(time.Until(until)/time.Duration(len(all)-i), time.Second)
		for _, vm := range wave {
			p.progress(Progress{Object: "vm " + string(vm.Name), Phase: "stop", Text: fmt.Sprintf("within %s", grace.Round(time.Second))})
			said = append(said, fmt.Sprintf("~ vm %s stopped", vm.Name))
		}
		errs = append(errs, p.Hypervisor.StopGuests(ctx, wave, grace))
	}
	return said, errors.Join(errs...)
}

// stopWaves are the guests that are to run, those of the highest order first.
func stopWaves(m *ispctl.Model) [][]ispctl.VM {
	running := slices.DeleteFunc(slices.Collect(m.Guests()), func(vm ispctl.VM) bool { return vm.Wanted != ispctl.Running })
	slices.SortStableFunc(running, func(a, b ispctl.VM) int { return cmp.Compare(b.Autostart.Order, a.Autostart.Order) })
	var waves [][]ispctl.VM
	for i, vm := range running {
		if i == 0 || vm.Autostart.Order != running[i-1].Autostart.Order {
			waves = append(waves, nil)
		}
		waves[len(waves)-1] = append(waves[len(waves)-1], vm)
	}
	return waves
}
