package state

import (
	"context"
	"fmt"
	"time"

	"ispctl"
)

// KeepBalloons replaces what is known of the balloons of guests. It is status,
// not intent: nothing of it is in the model.
func (s *Store) KeepBalloons(ctx context.Context, all []ispctl.Balloon, at time.Time) error {
	tx, err := s.write.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return fmt.Errorf("keep balloons: %w", busy(err))
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if _, err := tx.Exec(`DELETE FROM balloon`); err != nil {
		return fmt.Errorf("keep balloons: %w", err)
	}
	for _, b := range all {
		if _, err := tx.Exec(`INSERT INTO balloon (vm, target, actual, at) SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM vm WHERE id = ?)`,
			b.VM, b.Target, b.Actual, stamp(at), b.VM); err != nil {
			return fmt.Errorf("keep balloon of vm %d: %w", b.VM, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("keep balloons: %w", busy(err))
	}
	return nil
}

// Balloons are those that were kept last, by VM.
func (s *Store) Balloons(ctx context.Context) ([]ispctl.Balloon, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT vm, target, actual FROM balloon ORDER BY vm`)
	if err != nil {
		return nil, fmt.Errorf("read balloons: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	var all []ispctl.Balloon
	for rows.Next() {
		var b ispctl.Balloon
		if err := rows.Scan(&b.VM, &b.Target, &b.Actual); err != nil {
			return nil, fmt.Errorf("read balloons: %w", err)
		}
		all = append(all, b)
	}
	return all, rows.Err()
}

// PutSharing says how much of the host is shared out.
func (t *Tx) PutSharing(s ispctl.Sharing) error {
	return t.exec(`INSERT INTO sharing (id, reserve, memory_overcommit, disk_overcommit) VALUES (1, ?, ?, ?)
		ON CONFLICT DO UPDATE SET reserve = excluded.reserve, memory_overcommit = excluded.memory_overcommit, disk_overcommit = excluded.disk_overcommit`,
		s.MemoryReserve, s.MemoryOvercommit, s.DiskOvercommit)
}

func (t *Tx) rewindSharing(_, m *ispctl.Model) error { return t.PutSharing(m.Sharing) }
