package state

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"ispctl/meter"
)

// foldGrace is how long after its end a day is folded: what is booked late is
// mostly of the last minutes.
const foldGrace = 10 * time.Minute

// Fold moves the samples of days that are over from rows of slots to rows of
// days, a transaction for each day, and reports how many days it folded.
// Samples that come later are folded into the day they are of.
func (u *Usage) Fold(ctx context.Context, c meter.Calendar, now time.Time) (int, error) {
	ctx = context.WithoutCancel(ctx)
	for days := 0; ; days++ {
		var oldest sql.NullInt64
		if err := u.read.QueryRowContext(ctx, `SELECT min(slot) FROM slot`).Scan(&oldest); err != nil {
			return days, fmt.Errorf("fold usage: %w", damaged(u.path, err))
		}
		day := c.Day(meter.Slot(oldest.Int64).Start())
		if !oldest.Valid || now.Before(day.To.Add(foldGrace)) {
			return days, nil
		}
		if err := u.transact(ctx, func(tx *sql.Tx) error { return foldDay(ctx, tx, SpanOf(day)) }); err != nil {
			return days, fmt.Errorf("fold usage of %s: %w", day.From.Format(time.DateOnly), err)
		}
	}
}

// foldAtOnce bounds how many meters' samples are held in memory.
const foldAtOnce = 512

func foldDay(ctx context.Context, tx *sql.Tx, day Span) error {
	var most meter.ID
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM meter`).Scan(&most); err != nil {
		return err
	}
	for from := meter.ID(0); from <= most; from += foldAtOnce {
		if err := foldMeters(ctx, tx, day, from, from+foldAtOnce); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM slot WHERE slot >= ? AND slot < ?`, day.First, day.End)
	return err
}

func foldMeters(ctx context.Context, tx *sql.Tx, day Span, from, to meter.ID) error {
	all := map[meter.ID]map[meter.Slot]meter.Counts{}
	rows, err := tx.QueryContext(ctx, `SELECT slot, data FROM slot WHERE slot >= ? AND slot < ?`, day.First, day.End)
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
			if id < from || id >= to {
				return
			}
			if all[id] == nil {
				all[id] = map[meter.Slot]meter.Counts{}
			}
			all[id][slot] = all[id][slot].Plus(c)
		}); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for id, series := range all {
		if err := mergeDay(ctx, tx, id, day, series); err != nil {
			return err
		}
	}
	return nil
}

// mergeDay adds samples to a meter's day. The day that is there may have been
// of another time zone, and so begin elsewhere: it takes what is inside it.
func mergeDay(ctx context.Context, tx *sql.Tx, id meter.ID, day Span, series map[meter.Slot]meter.Counts) error {
	var have []struct {
		Span
		step int64
		data []byte
	}
	rows, err := tx.QueryContext(ctx, `SELECT first, end, step, series FROM day WHERE meter = ? AND first < ? AND end > ?`, id, day.End, day.First)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	for rows.Next() {
		var one struct {
			Span
			step int64
			data []byte
		}
		if err := rows.Scan(&one.First, &one.End, &one.step, &one.data); err != nil {
			return err
		}
		have = append(have, one)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, h := range have {
		merged := map[meter.Slot]meter.Counts{}
		if err := meter.DecodeSeries(h.data, func(s meter.Slot, c meter.Counts) { merged[s] = c }); err != nil {
			return err
		}
		for s, c := range series {
			if h.has(s) {
				at := s - (s-h.First)%meter.Slot(h.step)
				merged[at] = merged[at].Plus(c)
				delete(series, s)
			}
		}
		if err := putDay(ctx, tx, id, h.Span, h.step, merged); err != nil {
			return err
		}
		// What is left of the day lies before it or after it.
		if h.First <= day.First {
			day.First = max(day.First, h.End)
		} else {
			day.End = min(day.End, h.First)
		}
	}
	if len(series) == 0 {
		return nil
	}
	return putDay(ctx, tx, id, day, 1, series)
}

func putDay(ctx context.Context, tx *sql.Tx, id meter.ID, day Span, step int64, series map[meter.Slot]meter.Counts) error {
	var sum meter.Counts
	for _, c := range series {
		sum = sum.Plus(c)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO day (meter, first, end, step, sum, series) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (meter, first) DO UPDATE SET step = excluded.step, sum = excluded.sum, series = excluded.series`,
		id, day.First, day.End, step, meter.EncodeCounts(sum), meter.EncodeSeries(series))
	return err
}

// hour is the step of samples that were thinned.
const hour = int64(time.Hour / meter.SlotLength)

// Thin makes hours of the five-minute samples of all days that ended before a
// moment. The sums of days stay as they are.
func (u *Usage) Thin(ctx context.Context, before time.Time) (days int, err error) {
	ctx = context.WithoutCancel(ctx)
	err = u.transact(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT meter, first, end, series FROM day WHERE end <= ? AND step = 1`, meter.SlotAt(before))
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err has it
		type old struct {
			id  meter.ID
			day Span
			b   []byte
		}
		var all []old
		for rows.Next() {
			var o old
			if err := rows.Scan(&o.id, &o.day.First, &o.day.End, &o.b); err != nil {
				return err
			}
			all = append(all, o)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, o := range all {
			hours := map[meter.Slot]meter.Counts{}
			if err := meter.DecodeSeries(o.b, func(s meter.Slot, c meter.Counts) {
				at := s - (s-o.day.First)%meter.Slot(hour)
				hours[at] = hours[at].Plus(c)
			}); err != nil {
				return err
			}
			if err := putDay(ctx, tx, o.id, o.day, hour, hours); err != nil {
				return err
			}
		}
		days = len(all)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("thin usage: %w", err)
	}
	return days, nil
}
