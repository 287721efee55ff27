package operations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ispctl"
	"ispctl/state"
	"ispctl/vm/balloon"
)

// Ballooner moves memory between guests that run and their host.
type Ballooner interface {
	// Balloons is what guests that run have of their memory, by UUID.
	Balloons(ctx context.Context) (map[string]ispctl.GuestMemory, error)
	// SetBalloon says what a guest is to have.
	SetBalloon(ctx context.Context, uuid string, memory ispctl.Size) error
}

// BalloonView is what a guest has of its memory.
type BalloonView struct {
	VM        ispctl.Name `json:"vm"`
	Memory    int64       `json:"memory_bytes"`    // that it was sold
	Guarantee int64       `json:"guarantee_bytes"` // that it keeps
	Had       int64       `json:"had_bytes"`       // that it had
	Target    int64       `json:"target_bytes"`    // that it was told to have, if that is something else
}

// Balance takes memory from guests when the host runs short of it, and gives it
// back when it does not any more. More than nothing for free makes that much
// available, as if the host were short of it.
func (p *Provider) Balance(ctx context.Context, free ispctl.Size, o Options) (views []BalloonView, err error) {
	views = []BalloonView{}
	if p.Ballooner == nil || p.Pressure == nil {
		return views, &ispctl.Error{Kind: ispctl.Conflict, Object: "memory of guests", Cause: "is fixed on this hypervisor: nothing can be taken, and nothing is missing", Next: "see: ispctl qos capacity"}
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return views, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	m, err := p.Store.Model(ctx)
	if err != nil {
		return views, err
	}
	have, err := p.Ballooner.Balloons(ctx)
	if err != nil {
		return views, err
	}
	guests, byID := ballooned(m, have)
	var targets map[int64]ispctl.Size
	if free > 0 {
		targets = balloon.Take(free, guests)
	} else {
		h, err := p.Pressure()
		if err != nil {
			return views, err
		}
		targets = balloon.Targets(h, m.Sharing.Reserve(h.Total), guests)
	}
	var kept []ispctl.Balloon
	var errs []error
	for _, g := range guests {
		target, moves := targets[g.ID]
		if !moves {
			target = g.Actual
		}
		v := BalloonView{VM: byID[g.ID].Name, Memory: int64(g.Memory), Guarantee: int64(g.Floor), Had: int64(g.Actual)}
		if moves {
			v.Target = int64(target)
		}
		views = append(views, v)
		if moves && !o.DryRun {
			if err := p.Ballooner.SetBalloon(ctx, byID[g.ID].UUID, target); err != nil {
				errs = append(errs, fmt.Errorf("vm %s: %w", v.VM, err))
				continue
			}
		}
		kept = append(kept, ispctl.Balloon{VM: g.ID, Target: target, Actual: g.Actual})
	}
	if !o.DryRun {
		errs = append(errs, p.Store.KeepBalloons(ctx, kept, time.Now().UTC()))
	}
	return views, errors.Join(errs...)
}

// ballooned are the guests that run.
func ballooned(m *ispctl.Model, have map[string]ispctl.GuestMemory) (guests []balloon.Guest, byID map[int64]ispctl.VM) {
	byID = map[int64]ispctl.VM{}
	for vm := range m.Guests() {
		plan, err := m.SizedPlan(vm)
		g, runs := have[vm.UUID]
		if err != nil || !runs || vm.Wanted != ispctl.Running {
			continue
		}
		guests = append(guests, balloon.Guest{ID: vm.ID, Memory: plan.Memory, Floor: m.LimitsOf(vm).Floor(plan.Memory), GuestMemory: g})
		byID[vm.ID] = vm
	}
	return guests, byID
}

// MemoryKeeper watches a host's memory, and has it balanced when that is of use.
// It does not balance by itself: that takes the hypervisor, which only one
// process can have where it is embedded.
type MemoryKeeper struct {
	Store    *state.Store
	Pressure func() (ispctl.HostMemory, error)
	Balance  func(context.Context) error
	Every    time.Duration // how often to look
	Rest     time.Duration // after a balance that moved nothing

	// What intent says, as of a generation of it; sold is nil before it was read.
	generation int64
	sold       map[int64]ispctl.Size // memory of the guests that are to run, by VM
	takes      bool                  // there is one that was sold more than it is guaranteed
	sharing    ispctl.Sharing
}

// Keep watches until ctx ends.
func (k *MemoryKeeper) Keep(ctx context.Context) error {
	var rest time.Time
	for {
		due, before, err := k.due(ctx)
		if err != nil {
			return err
		}
		if due && time.Now().After(rest) {
			if err := k.Balance(ctx); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			after, err := k.Store.Balloons(ctx)
			if err != nil {
				return err
			}
			if slices.Equal(targetsOf(before), targetsOf(after)) {
				rest = time.Now().Add(k.Rest)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(k.Every):
		}
	}
}

func targetsOf(all []ispctl.Balloon) []ispctl.Size {
	targets := make([]ispctl.Size, len(all))
	for i, b := range all {
		targets[i] = b.Target
	}
	return targets
}

// due reports whether a balance can be of use: the host is short and somebody
// may have more than his guarantee, or it has plenty and somebody has less than
// he was sold.
func (k *MemoryKeeper) due(ctx context.Context) (bool, []ispctl.Balloon, error) {
	if err := k.refresh(ctx); err != nil {
		return false, nil, err
	}
	kept, err := k.Store.Balloons(ctx)
	if err != nil {
		return false, nil, err
	}
	lacks := slices.ContainsFunc(kept, func(b ispctl.Balloon) bool { return min(b.Target, b.Actual) < k.sold[b.VM] })
	if !k.takes && !lacks {
		return false, kept, nil
	}
	h, err := k.Pressure()
	if err != nil {
		return false, kept, err
	}
	reserve := k.sharing.Reserve(h.Total)
	return k.takes && balloon.Short(h, reserve) > 0 || lacks && balloon.Plenty(h, reserve) > 0, kept, nil
}

// refresh reads intent if it has changed: to read thousands of guests every few
// seconds would take more than to watch them.
func (k *MemoryKeeper) refresh(ctx context.Context) error {
	generation, err := k.Store.Generation(ctx)
	if err != nil || k.sold != nil && generation == k.generation {
		return err
	}
	m, err := k.Store.Model(ctx)
	if err != nil {
		return err
	}
	k.generation, k.sharing = generation, m.Sharing
	k.sold, k.takes = map[int64]ispctl.Size{}, false
	for vm := range m.Guests() {
		plan, err := m.SizedPlan(vm)
		if err != nil || vm.Wanted != ispctl.Running {
			continue
		}
		k.sold[vm.ID] = plan.Memory
		k.takes = k.takes || m.LimitsOf(vm).Floor(plan.Memory) < plan.Memory
	}
	return nil
}
