package operations

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"ispctl"
	"ispctl/state"
)

// The least and the most time that a change can await its confirmation.
const (
	MinConfirm = time.Second
	MaxConfirm = 24 * time.Hour
)

// Guards are processes that outlive the command that starts them.
type Guards interface {
	// Start starts one that calls [Provider.Watch] for the change with that
	// id, and returns when it is ready.
	Start(ctx context.Context, id string) error
	// Self is the process of the caller.
	Self() (Process, error)
	// End ends a process, if it is still the one that is meant.
	End(Process) error
}

// Process is a process and when it started, in clock ticks since boot
// (proc_pid_stat(5)): numbers of processes are used again.
type Process struct {
	PID     int
	Started uint64
}

// checkConfirm refuses a time that no change can wait for.
func (p *Provider) checkConfirm(o Options) error {
	switch {
	case o.Confirm == 0:
		return nil
	case o.Confirm < MinConfirm || o.Confirm > MaxConfirm:
		return ispctl.Invalid("confirm", o.Confirm.String(), "is not %s to %s", MinConfirm, MaxConfirm)
	case p.Guards == nil || p.Clock == nil:
		return &ispctl.Error{Kind: ispctl.Failed, Object: "confirm", Cause: "no guard can be started from here; nothing was changed"}
	}
	return nil
}

// besidePending refuses what cannot be done while another change awaits its
// confirmation: to change walls, which the revert would undo unasked, and
// whatever would make that revert impossible.
func (p *Provider) besidePending(tx *state.Tx, walls bool, said []string) error {
	c, err := p.readPending()
	if err != nil || c == nil || len(said) == 0 {
		return err
	}
	if walls {
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: c.what(), Cause: "awaits its confirmation until " + stamp(c.Deadline), Next: c.wait(),
		}
	}
	m, err := tx.Model()
	if err != nil {
		return err
	}
	if err := c.Undo.over(m).Validate(); err != nil {
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: c.what(), Cause: "awaits its confirmation until " + stamp(c.Deadline) + ", and this would make it impossible to take back",
			Err: err, Next: c.wait(),
		}
	}
	return nil
}

// armed is a change whose way back is on disk and has a guard. A nil one is a
// change that stands at once.
type armed struct {
	p      *Provider
	c      *pending
	before *ispctl.Model
}

// arm looks at a change of walls before it is made: whether it would cut the
// caller off, and, if it is to await its confirmation, whether it can be taken
// back. Then it lays down the way back and starts the guard. If it fails,
// nothing was changed.
func (p *Provider) arm(ctx context.Context, o Options, e state.Entry, after *ispctl.Model) (*armed, error) {
	before, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	if why := p.cutsCaller(ctx, before, after); why != "" && !o.Force {
		return nil, &ispctl.Error{
			Kind: ispctl.Conflict, Object: "your own connection " + p.Caller.String(), Cause: "would be cut off: " + why, Next: "if that is meant: --force",
		}
	}
	if o.Confirm == 0 {
		return nil, nil
	}
	undo, err := newUndo(before, after)
	if err != nil || o.DryRun {
		return nil, err
	}
	c, err := p.newPending(o.Confirm, e, undo)
	if err != nil {
		return nil, err
	}
	a := &armed{p, c, before}
	if err := p.writePending(c); err != nil {
		return nil, err
	}
	if err := p.Guards.Start(ctx, c.ID); err != nil {
		return nil, errors.Join(&ispctl.Error{Kind: ispctl.Failed, Object: "guard", Cause: "did not start, so nothing was changed", Err: err}, a.drop())
	}
	return a, nil
}

func (p *Provider) newPending(wait time.Duration, e state.Entry, undo Undo) (*pending, error) {
	boot, errBoot := p.Clock.BootID()
	since, errClock := p.Clock.SinceBoot()
	maker, errMaker := p.Guards.Self()
	if err := errors.Join(errBoot, errClock, errMaker); err != nil {
		return nil, err
	}
	now := p.Clock.Now()
	return &pending{
		Version: pendingVersion, ID: rand.Text(), Command: e.Operation, Object: e.Object, Actor: e.Actor,
		Made: now, Deadline: now.Add(wait), BootID: boot, Due: since + wait, Maker: maker, Undo: undo,
	}, nil
}

// settle brings the way back to what the transaction really made: what is
// chosen at random was chosen anew.
func (a *armed) settle(tx *state.Tx) error {
	after, err := tx.Model()
	if err != nil {
		return err
	}
	if a.c.Undo, err = newUndo(a.before, after); err != nil {
		return err
	}
	unlock, err := a.p.lockPending(tx.Context())
	if err != nil {
		return err
	}
	defer unlock()
	if c, err := a.p.readPending(); err != nil || c == nil || c.ID != a.c.ID {
		return err // confirmed before it was made
	}
	return a.p.writePending(a.c)
}

// drop takes the way back away: the change was not made. The guard finds it
// gone.
func (a *armed) drop() error {
	if a == nil {
		return nil
	}
	return a.p.dropPending()
}

func (a *armed) view() *PendingView {
	if a == nil {
		return nil
	}
	return a.p.viewPending(a.c)
}

// lockPending makes who confirms and who reverts take turns. It is not the host
// lock: a confirmation must not wait for other work, or it would come too late.
func (p *Provider) lockPending(ctx context.Context) (unlock func(), err error) {
	const poll = 20 * time.Millisecond
	lock := flock.New(filepath.Join(p.Paths.Confirm(), "lock"))
	if _, err := lock.TryLockContext(ctx, poll); err != nil {
		return nil, fmt.Errorf("unconfirmed change: lock: %w", err)
	}
	return func() { lock.Unlock() }, nil //nolint:errcheck // it goes with the process
}

// Confirm keeps the pending change.
func (p *Provider) Confirm(ctx context.Context) (PendingView, error) {
	c, err := p.readPending()
	if err == nil && c == nil {
		err = p.nothingPending(ctx)
	}
	if err != nil {
		return PendingView{}, err
	}
	unlock, err := p.lockPending(ctx)
	if err != nil {
		return PendingView{}, err
	}
	defer unlock()
	if c, err = p.readPending(); err == nil && c == nil {
		err = p.nothingPending(ctx) // the guard was first
	}
	if err != nil {
		return PendingView{}, err
	}
	left, err := p.left(c)
	if err != nil {
		return PendingView{}, err
	}
	if left <= 0 {
		return PendingView{}, &ispctl.Error{
			Kind: ispctl.Conflict, Object: c.what(), Cause: "was not confirmed by " + stamp(c.Deadline) + " and is being taken back", Next: "see: ispctl confirm --status",
		}
	}
	view := *p.viewPending(c)
	if err := p.dropPending(); err != nil {
		return PendingView{}, err
	}
	_, err = p.Store.Update(ctx, state.Entry{Actor: p.Actor, Operation: "confirm", Object: c.Object, Detail: c.Command}, func(*state.Tx) error { return nil })
	return view, err
}

// nothingPending says what became of the last change that was.
func (p *Provider) nothingPending(ctx context.Context) error {
	const far = 100
	cause := "nothing awaits its confirmation"
	journal, err := p.Store.Journal(ctx, far)
	if err != nil {
		return err
	}
	for _, e := range journal {
		switch e.Operation {
		case "revert":
			cause = fmt.Sprintf("nothing awaits its confirmation; the last change that did, of %s, was taken back at %s (%s)", e.Object, stamp(e.At), e.Detail)
		case "confirm":
			cause = fmt.Sprintf("nothing awaits its confirmation; the last change that did, of %s, was kept at %s", e.Object, stamp(e.At))
		}
	}
	return &ispctl.Error{Kind: ispctl.NotFound, Object: "confirm", Cause: cause}
}

// Pending shows the change that awaits its confirmation.
func (p *Provider) Pending() (PendingView, error) {
	c, err := p.readPending()
	if err != nil || c == nil {
		return PendingView{}, err
	}
	return *p.viewPending(c), nil
}

// left is how long the change may still be confirmed. After another boot it is
// none: what the host was like before is gone.
func (p *Provider) left(c *pending) (time.Duration, error) {
	boot, err := p.Clock.BootID()
	if err != nil || boot != c.BootID {
		return 0, err
	}
	since, err := p.Clock.SinceBoot()
	return c.Due - since, err
}

// PendingView is a change that awaits its confirmation, as scripts see it.
type PendingView struct {
	Pending  bool       `json:"pending"`
	Command  string     `json:"command,omitempty"`
	Object   string     `json:"object,omitempty"`
	Actor    string     `json:"actor,omitempty"`
	Made     *time.Time `json:"made_at,omitempty"`
	Deadline *time.Time `json:"deadline,omitempty"`
	Left     float64    `json:"seconds_left"`
	Guarded  bool       `json:"guarded"` // a guard is alive
}

func (p *Provider) viewPending(c *pending) *PendingView {
	left, err := p.left(c)
	return &PendingView{
		Pending: true, Command: c.Command, Object: c.Object, Actor: c.Actor, Made: &c.Made, Deadline: &c.Deadline,
		Left: max(0, left).Seconds(), Guarded: err == nil && p.guarded(),
	}
}

// stamp is a time for people: to the second, as the guard keeps it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
