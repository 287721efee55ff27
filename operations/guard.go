package operations

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"time"

	"github.com/gofrs/flock"

	"ispctl"
	"ispctl/converge"
	"ispctl/state"
)

// guardPoll is how often a guard looks whether the change was confirmed, and
// the most that its sleep may err by.
const guardPoll = 250 * time.Millisecond

// Watch is the life of a guard: it tells that it is ready, and returns when the
// change was settled by somebody else (false), or its time is up and it is to be
// reverted (true). The change is on disk, so a guard that dies can be replaced.
func (p *Provider) Watch(ctx context.Context, id string, ready func() error) (due bool, err error) {
	unlock, err := p.standGuard()
	if err != nil {
		return false, err
	}
	defer unlock()
	c, err := p.readPending()
	switch {
	case err != nil:
		return false, err
	case c == nil || c.ID != id:
		return false, nil
	}
	if err := ready(); err != nil {
		return false, err
	}
	for ctx.Err() == nil {
		nap := guardPoll
		if left, err := p.left(c); err == nil {
			if left <= 0 {
				return true, nil
			}
			nap = min(left, guardPoll)
		}
		p.Clock.Sleep(ctx, nap)
		// What cannot be read just now is not gone.
		if now, err := p.readPending(); err == nil && (now == nil || now.ID != id) {
			return false, nil
		}
	}
	return false, ctx.Err()
}

// standGuard holds the lock that tells others a guard is alive; several may.
func (p *Provider) standGuard() (unlock func(), err error) {
	lock := p.guardLock()
	if err := lock.RLock(); err != nil {
		return nil, fmt.Errorf("guard: lock: %w", err)
	}
	return func() { lock.Unlock() }, nil //nolint:errcheck // it goes with the process
}

// guarded reports whether a guard is alive.
func (p *Provider) guarded() bool {
	lock := p.guardLock()
	free, err := lock.TryLock()
	if err == nil && free {
		return lock.Unlock() != nil
	}
	return err == nil
}

func (p *Provider) guardLock() *flock.Flock {
	return flock.New(filepath.Join(p.Paths.Confirm(), "guard.lock"))
}

// makerGrace is how long the command that made the change may still hold the
// host lock when its time is up. It is stuck, or slower than its own deadline:
// either way it stands between the operator and the way back in.
const makerGrace = 250 * time.Millisecond

// RevertDue reverts the change with that id, whatever it takes: it waits for the
// host lock, ends the command that made the change if that one holds it, and
// tries again what fails. It returns when the change is settled.
func (p *Provider) RevertDue(ctx context.Context, id string) error {
	const again = time.Second
	for {
		unlock, err := p.lockPast(ctx, id)
		if err == nil {
			_, err = p.revertLocked(ctx, id, notInTime)
			err = errors.Join(err, unlock())
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		p.progress(Progress{Phase: "revert", Text: "will try again: " + err.Error()})
		p.Clock.Sleep(ctx, again)
	}
}

// lockPast takes the host lock, if need be over the dead body of the command
// that made the change.
func (p *Provider) lockPast(ctx context.Context, id string) (func() error, error) {
	unlock, err := state.Lock(ctx, p.Paths, makerGrace)
	if ispctl.KindOf(err) != ispctl.Conflict {
		return unlock, err
	}
	p.progress(Progress{Phase: "revert", Text: "waiting: " + err.Error()})
	if c, err := p.readPending(); err == nil && c != nil && c.ID == id {
		if err := p.Guards.End(c.Maker); err != nil {
			p.progress(Progress{Phase: "revert", Text: err.Error()})
		}
	}
	return state.Lock(ctx, p.Paths, MaxConfirm)
}

// revertOnce waits for the host lock as any command does, and reverts the
// change with that id, if it is still there.
func (p *Provider) revertOnce(ctx context.Context, id, why string) (done bool, err error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return p.revertLocked(ctx, id, why)
}

func (p *Provider) revertLocked(ctx context.Context, id, why string) (done bool, err error) {
	unlock, err := p.lockPending(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	c, err := p.readPending()
	if err != nil || c == nil || c.ID != id {
		return false, err
	}
	return true, p.revert(ctx, c, why)
}

// revert brings intent back in one transaction, then the host, and then
// forgets the change. Each step can be done again.
func (p *Provider) revert(ctx context.Context, c *pending, why string) error {
	start := time.Now()
	p.progress(Progress{Phase: "revert", Text: c.what() + ": " + why})
	m, err := p.Store.Model(ctx)
	if err != nil {
		return err
	}
	// They are the same where the change was never committed, or the revert
	// was cut short.
	if before := c.Undo.over(m); !reflect.DeepEqual(before, m) {
		e := state.Entry{Actor: p.Actor, Operation: "revert", Object: c.Object, Detail: c.Command + " by " + c.Actor + ": " + why}
		if m, err = p.Store.Update(ctx, e, func(tx *state.Tx) error { return tx.Rewind(before) }); err != nil {
			return err
		}
	}
	if err := p.passWalls(ctx, m); err != nil {
		return err
	}
	p.progress(Progress{Phase: "revert", Text: "taken back", Done: true, Took: time.Since(start)})
	return p.dropPending()
}

// passWalls is a pass that builds what walls it can: a layer that cannot tell
// what is pending, as that of domains cannot without libvirt, stands in the way
// of a pass but not of the way back in. What is left undone goes to the status,
// and the next pass does it.
func (p *Provider) passWalls(ctx context.Context, m *ispctl.Model) error {
	o := converge.Options{AllowMassPrune: true}
	var able []converge.Layer
	var unable error
	for _, l := range p.Layers {
		if _, err := converge.Survey(ctx, []converge.Layer{l}, m); err != nil {
			unable = errors.Join(unable, err)
			continue
		}
		able = append(able, l)
	}
	if unable == nil {
		_, err := p.pass(ctx, m, o)
		if converge.FaultsOnly(err) {
			return nil
		}
		return err
	}
	_, err := converge.Run(ctx, able, m, o)
	if !converge.FaultsOnly(err) {
		return errors.Join(err, unable)
	}
	p.progress(Progress{Phase: "revert", Text: "left undone: " + unable.Error()})
	return p.record(ctx, m, newPassLog(p), errors.Join(err, unable))
}

// Recover reverts a change that nobody watched when its time was up: the host
// was booted since, or its guards were killed. A change that still may be
// confirmed and has lost its guards gets a new one. It says what it did.
func (p *Provider) Recover(ctx context.Context) (string, error) {
	c, err := p.readPending()
	if err != nil || c == nil {
		return "", err
	}
	left, err := p.left(c)
	if err != nil {
		return "", err
	}
	if left > 0 && p.guarded() {
		return "", nil
	}
	if left > 0 {
		return "its guard was gone, another one was started: " + c.what(), p.Guards.Start(ctx, c.ID)
	}
	why, err := p.overdue(c)
	if err != nil {
		return "", err
	}
	done, err := p.revertOnce(ctx, c.ID, why)
	if !done {
		return "", err
	}
	return "taken back: " + c.what() + ": " + why, err
}

// overdue says why a change can no longer be confirmed.
func (p *Provider) overdue(c *pending) (string, error) {
	boot, err := p.Clock.BootID()
	if boot != c.BootID {
		return "the host was booted before it was confirmed", err
	}
	return notInTime, err
}

// notInTime is why most changes are taken back.
const notInTime = "not confirmed in time"

// RevertNow gives the pending change up.
func (p *Provider) RevertNow(ctx context.Context) (PendingView, error) {
	c, err := p.readPending()
	if err == nil && c == nil {
		err = p.nothingPending(ctx)
	}
	if err != nil {
		return PendingView{}, err
	}
	view := *p.viewPending(c)
	done, err := p.revertOnce(ctx, c.ID, "given up by "+p.Actor)
	if err == nil && !done {
		err = p.nothingPending(ctx)
	}
	return view, err
}
