package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"ispctl/meter"
)

// Correction sets right what was metered wrongly, by a difference.
type Correction struct {
	Meter   meter.ID
	Slot    meter.Slot // when it takes effect
	In, Out int64      // bytes; negative: too much was metered
	Reason  string
	Actor   string
	At      time.Time // when it was made
}

// Correct records a correction.
func (u *Usage) Correct(ctx context.Context, c Correction) error {
	_, err := u.write.ExecContext(context.WithoutCancel(ctx), `INSERT INTO correction (meter, slot, in_bytes, out_bytes, reason, actor, at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		c.Meter, c.Slot, c.In, c.Out, c.Reason, c.Actor, stamp(c.At))
	if err != nil {
		return fmt.Errorf("correct usage: %w", damaged(u.path, busy(err)))
	}
	return nil
}

// Corrections lists those that take effect in a span, oldest first.
func (u *Usage) Corrections(ctx context.Context, span Span) ([]Correction, error) {
	rows, err := u.read.QueryContext(ctx, `SELECT meter, slot, in_bytes, out_bytes, reason, actor, at FROM correction WHERE slot >= ? AND slot < ? ORDER BY id`, span.First, span.End)
	if err != nil {
		return nil, fmt.Errorf("read corrections: %w", damaged(u.path, err))
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	var all []Correction
	for rows.Next() {
		var c Correction
		if err := rows.Scan(&c.Meter, &c.Slot, &c.In, &c.Out, &c.Reason, &c.Actor, text{&c.At}); err != nil {
			return nil, fmt.Errorf("read corrections: %w", err)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// UsageNote is a note of a reading, with its time.
type UsageNote struct {
	At   time.Time
	Text string
}

// Notes lists what readings of a span found, oldest first.
func (u *Usage) Notes(ctx context.Context, span Span) ([]UsageNote, error) {
	rows, err := u.read.QueryContext(ctx, `SELECT at, text FROM note WHERE slot >= ? AND slot < ? ORDER BY id`, span.First, span.End)
	if err != nil {
		return nil, fmt.Errorf("read notes of usage: %w", damaged(u.path, err))
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	var all []UsageNote
	for rows.Next() {
		var n UsageNote
		if err := rows.Scan(text{&n.At}, &n.Text); err != nil {
			return nil, fmt.Errorf("read notes of usage: %w", err)
		}
		all = append(all, n)
	}
	return all, rows.Err()
}

// CloseMonth keeps the figures of a month for good. Those that are there stay.
func (u *Usage) CloseMonth(ctx context.Context, name string, now time.Time, figures []byte) error {
	_, err := u.write.ExecContext(context.WithoutCancel(ctx), `INSERT INTO month (name, closed, figures) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, name, stamp(now), string(figures))
	if err != nil {
		return fmt.Errorf("close month %s: %w", name, damaged(u.path, busy(err)))
	}
	return nil
}

// ClosedMonth is the figures of a month as CloseMonth kept them; nil: it did
// not.
func (u *Usage) ClosedMonth(ctx context.Context, name string) ([]byte, error) {
	var figures string
	err := u.read.QueryRowContext(ctx, `SELECT figures FROM month WHERE name = ?`, name).Scan(&figures)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read month %s: %w", name, damaged(u.path, err))
	}
	return []byte(figures), nil
}

// BackUp copies the database beside itself, whole or not at all, in place of
// the copy of the day before.
func (u *Usage) BackUp(ctx context.Context) error {
	half := u.path + backupSuffix + ".tmp"
	if err := os.Remove(half); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("back up usage: %w", err)
	}
	if _, err := u.write.ExecContext(ctx, "VACUUM INTO ?", half); err != nil {
		return fmt.Errorf("back up usage: %w", damaged(u.path, err))
	}
	return os.Rename(half, u.path+backupSuffix)
}
