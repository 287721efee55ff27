package operations

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"ispctl"
	"ispctl/state"
)

// To copy a disk takes as long as it takes, and nobody is to wait for it. So what
// is copied is a snapshot that is lent for that time: taken under the host lock,
// read without it, given back under it. Whoever copies holds a lock of his own, so
// that a snapshot whose borrower was killed is known and swept by the next
// converge.

// loan is a VM whose first disk may be read.
type loan struct {
	model    *ispctl.Model
	vm       ispctl.VM
	snapshot ispctl.Snapshot
	tag      string // of what is read, in the disk
	lock     *flock.Flock
}

// loanLock is the file whose lock a borrower holds.
func loanLock(paths ispctl.Paths, name ispctl.Name) string {
	return filepath.Join(paths.Run(), string(name)+".lock")
}

// lend takes a snapshot for somebody who copies, of a VM that ready finds fit.
func (p *Provider) lend(ctx context.Context, name, operation string, ready func(*ispctl.Model, ispctl.VM) error) (*loan, error) {
	var b [8]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	l := &loan{snapshot: ispctl.Snapshot{Name: ispctl.Name(fmt.Sprintf("lent-%x", b)), Lent: true}}
	file := loanLock(p.Paths, l.snapshot.Name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	l.lock = flock.New(file)
	if held, err := l.lock.TryLock(); err != nil || !held {
		return nil, errors.Join(err, fmt.Errorf("lock %s", file))
	}
	_, err := p.changeVM(ctx, operation, name, Options{}, func(tx *state.Tx, m *ispctl.Model, vm ispctl.VM) ([]string, error) {
		if err := ready(m, vm); err != nil {
			return nil, err
		}
		var err error
		l.model, l.vm = m, vm
		l.snapshot, err = tx.InsertSnapshot(vm.ID, l.snapshot)
		return []string{fmt.Sprintf("+ snapshot %s/%s", name, l.snapshot.Name)}, err
	})
	if err != nil {
		return nil, errors.Join(err, p.giveBack(ctx, l))
	}
	l.tag = l.snapshot.Tag()
	return l, nil
}

// giveBack ends a loan, whatever became of it.
func (p *Provider) giveBack(ctx context.Context, l *loan) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	if l.snapshot.ID != 0 {
		_, err = p.change(ctx, Options{}, state.Entry{Operation: "snapshot return", Object: "vm " + string(l.vm.Name)}, func(tx *state.Tx) ([]string, error) {
			return []string{"- snapshot " + string(l.snapshot.Name)}, tx.DeleteSnapshot(l.snapshot.ID)
		})
	}
	return errors.Join(err, l.end())
}

// end lets go of the borrower's lock.
func (l *loan) end() error {
	return errors.Join(os.Remove(l.lock.Path()), l.lock.Unlock())
}

// sweepLoans deletes the snapshots that were lent to somebody who is no more. The
// caller has the host lock.
func (p *Provider) sweepLoans(ctx context.Context, m *ispctl.Model) (*ispctl.Model, error) {
	var gone []ispctl.Snapshot
	for _, vm := range m.VMs {
		for _, s := range vm.Snapshots {
			if s.Lent && !borrowed(loanLock(p.Paths, s.Name)) {
				gone = append(gone, s)
			}
		}
	}
	if len(gone) == 0 {
		return m, nil
	}
	return p.Store.Update(ctx, state.Entry{Actor: p.Actor, Operation: "snapshot return", Detail: "whoever copied from it is gone"}, func(tx *state.Tx) error {
		for _, s := range gone {
			if err := tx.DeleteSnapshot(s.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// borrowed reports whether somebody holds a lock, and removes the file of one
// that nobody holds.
func borrowed(file string) bool {
	if _, err := os.Stat(file); err != nil {
		return false
	}
	lock := flock.New(file)
	if held, err := lock.TryLock(); err != nil || !held {
		return true
	}
	_ = os.Remove(file)
	_ = lock.Unlock()
	return false
}
