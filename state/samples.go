package state

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"ispctl/meter"
)

// Meters lists all meters there ever were: VMs first, by name.
func (u *Usage) Meters(ctx context.Context) ([]Meter, error) {
	all, err := readMeters(ctx, u.read)
	if err != nil {
		return nil, fmt.Errorf("read meters: %w", damaged(u.path, err))
	}
	return all, nil
}

// Booked is the moment up to which the counters have been booked; zero if they
// never were.
func (u *Usage) Booked(ctx context.Context) (time.Time, error) {
	l, err := readLedger(ctx, u.read)
	if err != nil {
		return time.Time{}, fmt.Errorf("read usage: %w", damaged(u.path, err))
	}
	return l.At, nil
}

// Span is a stretch of slots: First is in it, and End is not.
type Span struct{ First, End meter.Slot }

// SpanOf is the slots of a period.
func SpanOf(p meter.Period) Span {
	first, end := p.Range()
	return Span{first, end}
}

func (s Span) has(slot meter.Slot) bool { return slot >= s.First && slot < s.End }

// Each hands out every sample of a span: those of one meter and day in time,
// but in no order otherwise, and the same slot more than once if it was booked
// in parts. What is in the open slot is handed out, too. Of samples that were
// thinned it hands out hours. Without meters, it hands out all.
func (u *Usage) Each(ctx context.Context, span Span, of map[meter.ID]bool, fn func(meter.ID, meter.Slot, meter.Counts)) error {
	err := u.each(ctx, span, of, func(id meter.ID, series []byte) error {
		return meter.DecodeSeries(series, func(s meter.Slot, c meter.Counts) {
			if span.has(s) {
				fn(id, s, c)
			}
		})
	}, fn)
	if err != nil {
		return fmt.Errorf("read usage: %w", damaged(u.path, err))
	}
	return nil
}

// each reads whole days, rows of slots, and the open slot, in one snapshot.
func (u *Usage) each(
	ctx context.Context, span Span, of map[meter.ID]bool, day func(meter.ID, []byte) error, fn func(meter.ID, meter.Slot, meter.Counts),
) error {
	tx, err := u.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	if err := eachDay(ctx, tx, span, of, "series", func(id meter.ID, _ Span, b []byte) error { return day(id, b) }); err != nil {
		return err
	}
	return loose(ctx, tx, span, of, fn)
}

// eachDay reads a column of days that overlap a span.
func eachDay(ctx context.Context, tx *sql.Tx, span Span, of map[meter.ID]bool, column string, fn func(meter.ID, Span, []byte) error) error {
	read := func(query string, args ...any) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err has it
		var id meter.ID
		var day Span
		var data sql.RawBytes
		for rows.Next() {
			if err := rows.Scan(&id, &day.First, &day.End, &data); err != nil {
				return err
			}
			if of != nil && !of[id] {
				continue
			}
			if err := fn(id, day, data); err != nil {
				return fmt.Errorf("meter %d, %s: %w", id, day.First.Start(), err)
			}
		}
		return rows.Err()
	}
	const few = 64
	if of == nil || len(of) > few {
		return read(`SELECT meter, first, end, `+column+` FROM day WHERE first < ? AND end > ?`, span.End, span.First)
	}
	for id := range of {
		if err := read(`SELECT meter, first, end, `+column+` FROM day WHERE meter = ? AND first < ? AND end > ?`, id, span.End, span.First); err != nil {
			return err
		}
	}
	return nil
}

// loose hands out what is in no day yet.
func loose(ctx context.Context, tx *sql.Tx, span Span, of map[meter.ID]bool, fn func(meter.ID, meter.Slot, meter.Counts)) error {
	rows, err := tx.QueryContext(ctx, `SELECT slot, data FROM slot WHERE slot >= ? AND slot < ? ORDER BY slot, id`, span.First, span.End)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	var slot meter.Slot
	var data sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&slot, &data); err != nil {
			return err
		}
		if err := meter.DecodeSlot(data, func(id meter.ID, c meter.Counts) {
			if of == nil || of[id] {
				fn(id, slot, c)
			}
		}); err != nil {
			return fmt.Errorf("slot %s: %w", slot.Start(), err)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	l, err := readLedger(ctx, tx)
	if err != nil || !span.has(l.Slot) {
		return err
	}
	for id, c := range l.Open {
		if of == nil || of[id] {
			fn(id, l.Slot, *c)
		}
	}
	return nil
}

// Sums is what passed in a span, by meter. It is quick where the span is of
// whole days.
func (u *Usage) Sums(ctx context.Context, span Span, of map[meter.ID]bool) (map[meter.ID]meter.Counts, error) {
	sums := map[meter.ID]meter.Counts{}
	add := func(id meter.ID, s meter.Slot, c meter.Counts) {
		if span.has(s) {
			sums[id] = sums[id].Plus(c)
		}
	}
	tx, err := u.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	cut := map[Span]bool{}
	err = eachDay(ctx, tx, span, of, "sum", func(id meter.ID, day Span, b []byte) error {
		if day.First < span.First || day.End > span.End {
			cut[day] = true
			return nil
		}
		c, err := meter.DecodeCounts(b)
		add(id, day.First, c)
		return err
	})
	for day := range cut {
		if err != nil {
			break
		}
		err = eachDay(ctx, tx, day, of, "series", func(id meter.ID, _ Span, b []byte) error {
			return meter.DecodeSeries(b, func(s meter.Slot, c meter.Counts) { add(id, s, c) })
		})
	}
	if err == nil {
		err = loose(ctx, tx, span, of, add)
	}
	if err != nil {
		return nil, fmt.Errorf("read usage: %w", damaged(u.path, err))
	}
	return sums, nil
}
