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

// RecordStatus replaces the status of each object given; an empty error
// removes it, so that the table holds only what is wrong.
func (s *Store) RecordStatus(ctx context.Context, all []Status) error {
	ctx = context.WithoutCancel(ctx)
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("record status: %w", busy(err))
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	for _, one := range all {
		query, args := `DELETE FROM status WHERE object = ?`, []any{one.Object}
		if one.Error != "" {
			query = `INSERT INTO status (object, error, at) VALUES (?, ?, ?)
				ON CONFLICT (object) DO UPDATE SET error = excluded.error, at = excluded.at`
			args = append(args, one.Error, stamp(one.At))
		}
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return fmt.Errorf("record status of %s: %w", one.Object, err)
		}
	}
	return tx.Commit()
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

// RecordPhase notes that a VM reached a phase. The first time stands.
func (s *Store) RecordPhase(ctx context.Context, vm int64, p Phase) error {
	_, err := s.write.ExecContext(context.WithoutCancel(ctx),
		`INSERT INTO vm_phase (vm, phase, at) SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM vm WHERE id = ?) ON CONFLICT DO NOTHING`,
		vm, p.Name, stamp(p.At), vm)
	if err != nil {
		return fmt.Errorf("record phase %s of vm %d: %w", p.Name, vm, err)
	}
	return nil
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
	rows, err := s.read.QueryContext(ctx,
		`SELECT at, actor, operation, object, detail FROM (SELECT * FROM journal ORDER BY id DESC LIMIT ?) ORDER BY id`, limit)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	var all []JournalEntry
	for rows.Next() {
		var one JournalEntry
		if err := rows.Scan(text{&one.At}, &one.Actor, &one.Operation, &one.Object, &one.Detail); err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// JournalEntry is an Entry with its time.
type JournalEntry struct {
	Entry
	At time.Time
}
