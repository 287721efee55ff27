package operations

import (
	"context"
	"errors"
	"strings"
	"time"

	"ispctl"
	"ispctl/converge"
	"ispctl/state"
)

// edit changes intent in one transaction and says what it changed, a line per
// object. No line means that all is as asked already.
type edit func(*state.Tx) ([]string, error)

// change is the way of every operation: lock, look at what the edit comes to,
// commit it, converge. Under DryRun it stops after the look.
func (p *Provider) change(ctx context.Context, o Options, e state.Entry, do edit) (Result, error) {
	return p.alter(ctx, o, e, do, false)
}

// changeWalls is change for what can cut somebody off: it may await its
// confirmation, and it waits for that of the one before.
func (p *Provider) changeWalls(ctx context.Context, o Options, e state.Entry, do edit) (Result, error) {
	if err := p.checkConfirm(o); err != nil {
		return Result{}, err
	}
	return p.alter(ctx, o, e, do, true)
}

func (p *Provider) alter(ctx context.Context, o Options, e state.Entry, do edit, walls bool) (r Result, err error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if !o.DryRun {
		if err := p.noteBoot(ctx); err != nil {
			return r, err
		}
	}

	var m *ispctl.Model
	var armed *armed
	collect := func(tx *state.Tx) error {
		if r.Intent, err = do(tx); err != nil {
			return err
		}
		if err := errors.Join(p.admit(ctx, tx), p.admitTrunks(ctx, tx), p.admitGuests(ctx, tx)); err != nil {
			return err
		}
		if armed != nil {
			return armed.settle(tx)
		}
		return p.besidePending(tx, walls, r.Intent)
	}
	if o.DryRun || walls && (o.Confirm > 0 || p.Caller.known()) {
		if m, err = p.Store.Preview(ctx, collect); err != nil {
			return Result{}, err
		}
	}
	if e.Actor = p.Actor; walls && m != nil && len(r.Intent) > 0 {
		if armed, err = p.arm(ctx, o, e, m); err != nil {
			return Result{}, err
		}
	}
	if o.DryRun {
		m.CutOff = o.CutOff
		steps, err := converge.Survey(ctx, p.Layers, m)
		r.Changes = converge.Changes(steps)
		return r, err
	}
	if m, err = p.Store.Update(ctx, e, collect); err != nil {
		return Result{}, errors.Join(err, armed.drop())
	}
	r.Pending = armed.view()
	m.CutOff = o.CutOff
	// What an operation removes was asked for by name.
	r.Changes, err = p.pass(ctx, m, converge.Options{AllowMassPrune: true})
	return r, err
}

// Converge brings the host to what the database says. Without massPrune it
// refuses to remove most of what is there.
func (p *Provider) Converge(ctx context.Context, o Options, massPrune bool) (r Result, err error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if !o.DryRun {
		if err := p.noteBoot(ctx); err != nil {
			return r, err
		}
	}
	m, err := p.Store.Model(ctx)
	if err != nil {
		return r, err
	}
	if o.DryRun {
		steps, err := converge.Survey(ctx, p.Layers, m)
		r.Changes = converge.Changes(steps)
		return r, err
	}
	if m, err = p.sweepLoans(ctx, m); err != nil {
		return r, err
	}
	r.Changes, err = p.pass(ctx, m, converge.Options{AllowMassPrune: massPrune})
	return r, err
}

// pass is one pass of the engine and the keeping of its books: phases, faults,
// and the forgetting of VMs that every layer has let go of. A pass that finds
// nothing to do writes nothing.
func (p *Provider) pass(ctx context.Context, m *ispctl.Model, o converge.Options) ([]converge.Change, error) {
	log := newPassLog(p)
	o.Begin, o.End = log.begin, log.end
	changes, err := converge.Run(ctx, p.Layers, m, o)
	if err == nil {
		err = p.forget(ctx, m)
	}
	return changes, errors.Join(err, p.record(ctx, m, log, err))
}

// forget deletes the rows of absent VMs after a pass that succeeded: nothing on
// the host bears their name, address or tap any more.
func (p *Provider) forget(ctx context.Context, m *ispctl.Model) error {
	var gone []ispctl.VM
	for _, vm := range m.VMs {
		if vm.Wanted == ispctl.Absent {
			gone = append(gone, vm)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	names := make([]string, len(gone))
	for i, vm := range gone {
		names[i] = string(vm.Name)
	}
	entry := state.Entry{Actor: p.Actor, Operation: "forget", Object: "vm " + strings.Join(names, ", "), Detail: "every layer has let go"}
	_, err := p.Store.Update(ctx, entry, func(tx *state.Tx) error {
		for _, vm := range gone {
			if err := tx.DeleteVM(vm.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func (p *Provider) record(ctx context.Context, m *ispctl.Model, log *passLog, failed error) error {
	ctx = context.WithoutCancel(ctx) // that a pass was cut is worth knowing
	before, err := p.Store.Faults(ctx)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	var wrong []state.Status
	for _, f := range converge.Faults(failed) {
		wrong = append(wrong, state.Status{Object: f.Object, Error: f.Err.Error(), At: now})
	}
	if failed != nil && len(wrong) == 0 {
		wrong = append(wrong, state.Status{Object: "converge", Error: failed.Error(), At: now})
	}
	phases, err := p.firstPhases(ctx, m, log, failed)
	if err != nil {
		return err
	}
	if len(before)+len(wrong)+len(phases) == 0 {
		return nil
	}
	return p.Store.Record(ctx, wrong, phases)
}

// firstPhases are the phases of VMs that this pass brought up for the first
// time.
func (p *Provider) firstPhases(ctx context.Context, m *ispctl.Model, log *passLog, failed error) (map[int64][]state.Phase, error) {
	if failed != nil || !log.worked() {
		return nil, nil
	}
	fresh, err := p.Store.Unphased(ctx)
	if err != nil {
		return nil, err
	}
	phases := map[int64][]state.Phase{}
	for vm := range m.Guests() {
		if vm.Wanted == ispctl.Running && fresh[vm.ID] {
			phases[vm.ID] = append([]state.Phase{{Name: "reserved", At: vm.Created}}, log.phases...)
		}
	}
	return phases, nil
}
