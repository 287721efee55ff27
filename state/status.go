package state

import (
	"context"
	"fmt"
	"time"
)

// Status is what the last pass made of an object.
type Status struct {
	Object string // "vm web1", "layer firewall"
	Error  string // empty: as wanted
	At     time.Time
}

// Phase is a point in the making of a VM.
type Phase struct {
	Name string
	At   time.Time
}

// Record replaces the status of all objects by what is wrong now, and notes
// phases of VMs; the first time of a phase stands.
func (s *Store) Record(ctx context.Context, wrong []Status, phases map[int64][]Phase) error {
	ctx = context.WithoutCancel(ctx)
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("record status: %w", busy(err))
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, `DELETE FROM status`); err != nil {
		return fmt.Errorf("record status: %w", err)
	}
	for _, one := range wrong {
		if _, err := tx.ExecContext(ctx, `INSERT INTO status (object, error, at) VALUES (?, ?, ?)
			ON CONFLICT (object) DO UPDATE SET error = error || '; ' || excluded.error`, one.Object, one.Error, stamp(one.At)); err != nil {
			return fmt.Errorf("record status of %s: %w", one.Object, err)
		}
	}
	for vm, all := range phases {
		for _, p := range all {
			if _, err := tx.ExecContext(ctx, `INSERT INTO vm_phase (vm, phase, at) SELECT ?, ?, ?
				WHERE EXISTS (SELECT 1 FROM vm WHERE id = ?) ON CONFLICT DO NOTHING`, vm, p.Name, stamp(p.At), vm); err != nil {
				return fmt.Errorf("record phase %s of vm %d: %w", p.Name, vm, err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("record status: %w", busy(err))
	}
	return nil
}

// Faults lists the objects that are not as wanted.
func (s *Store) Faults(ctx context.Context) ([]Status, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT object, error, at FROM status ORDER BY object`)
	if err != nil {
		return nil, fmt.Errorf("read status: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	var all []Status
	for rows.Next() {
		var one Status
		if err := rows.Scan(&one.Object, &one.Error, text{&one.At}); err != nil {
			return nil, fmt.Errorf("read status: %w", err)
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// Unphased is the ids of VMs of which no phase is known.
func (s *Store) Unphased(ctx context.Context) (map[int64]bool, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id FROM vm WHERE NOT EXISTS (SELECT 1 FROM vm_phase WHERE vm = id)`)
	if err != nil {
		return nil, fmt.Errorf("read phases: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	ids := map[int64]bool{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("read phases: %w", err)
		}
		ids[id] = true
	}
	return ids, rows.Err()
}

// Phases lists what a VM has been through, in time.
func (s *Store) Phases(ctx context.Context, vm int64) ([]Phase, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT phase, at FROM vm_phase WHERE vm = ? ORDER BY at, rowid`, vm)
	if err != nil {
		return nil, fmt.Errorf("read phases: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	var all []Phase
	for rows.Next() {
		var one Phase
		if err := rows.Scan(&one.Name, text{&one.At}); err != nil {
			return nil, fmt.Errorf("read phases: %w", err)
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// Journal lists the newest entries, newest last.
func (s *Store) Journal(ctx context.Context, limit int) ([]JournalEntry, error) {
	if limit <= 0 {
		return nil, nil
	}
	rows, err := s.Rows(ctx, limit)
	var all []JournalEntry
	for _, r := range rows {
		all = append(all, r.JournalEntry)
	}
	return all, err
}

// JournalEntry is an Entry with its time.
type JournalEntry struct {
	Entry
	At time.Time
}
