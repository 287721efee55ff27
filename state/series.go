package state

import (
	"context"
	"database/sql"
	"fmt"

	"ispctl/meter"
)

// longestDay is more slots than any day has.
const longestDay = 2 * 24 * 12

// looseSample is one that is in no day yet.
type looseSample struct {
	slot   meter.Slot
	counts meter.Counts
}

// EachSeries hands out the series of a period of each meter, in the order they
// are given. The series is the same one each time: it is of use until fn
// returns.
func (u *Usage) EachSeries(ctx context.Context, p meter.Period, of []meter.ID, fn func(meter.ID, *meter.Series) error) error {
	if err := u.eachSeries(ctx, p, of, fn); err != nil {
		return fmt.Errorf("read usage: %w", damaged(u.path, err))
	}
	return nil
}

func (u *Usage) eachSeries(ctx context.Context, p meter.Period, of []meter.ID, fn func(meter.ID, *meter.Series) error) error {
	tx, err := u.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	span := SpanOf(p)
	wanted := make(map[meter.ID]bool, len(of))
	for _, id := range of {
		wanted[id] = true
	}
	late := map[meter.ID][]looseSample{}
	if err := loose(ctx, tx, span, wanted, func(id meter.ID, s meter.Slot, c meter.Counts) { late[id] = append(late[id], looseSample{s, c}) }); err != nil {
		return err
	}
	// first bounds the search from below, too: days are found by it.
	days, err := tx.PrepareContext(ctx, `SELECT first, end, sum, series FROM day WHERE meter = ? AND first > ? AND first < ? AND end > ?`)
	if err != nil {
		return err
	}
	defer days.Close() //nolint:errcheck // it goes with the transaction
	series := meter.NewSeries(p)
	for _, id := range of {
		series.Reset()
		if err := addDays(ctx, days, id, span, series); err != nil {
			return fmt.Errorf("meter %d: %w", id, err)
		}
		for _, l := range late[id] {
			series.Add(l.slot, l.counts)
		}
		if err := fn(id, series); err != nil {
			return err
		}
	}
	return nil
}

func addDays(ctx context.Context, days *sql.Stmt, id meter.ID, span Span, into *meter.Series) error {
	rows, err := days.QueryContext(ctx, id, span.First-longestDay, span.End, span.First)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	var day Span
	var sum, series sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&day.First, &day.End, &sum, &series); err != nil {
			return err
		}
		if day.First < span.First || day.End > span.End {
			if err := meter.DecodeSeries(series, into.Add); err != nil {
				return err
			}
			continue
		}
		c, err := meter.DecodeCounts(sum)
		if err != nil {
			return err
		}
		if err := into.AddDay(series, c); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Thinned reports whether samples of a span are hours.
func (u *Usage) Thinned(ctx context.Context, span Span) (thinned bool, err error) {
	err = u.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM day WHERE first > ? AND first < ? AND end > ? AND step > 1)`,
		span.First-longestDay, span.End, span.First).Scan(&thinned)
	if err != nil {
		return false, fmt.Errorf("read usage: %w", damaged(u.path, err))
	}
	return thinned, nil
}
