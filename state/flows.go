package state

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"time"

	"ispctl/meter"
)

// AddFlows adds to the sums of hours, all of it or nothing. Of hours that are
// over, only the largest sums of each meter are kept, and the sum of the others.
func (u *Usage) AddFlows(ctx context.Context, now time.Time, rows []meter.FlowRow[Meter]) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	err := u.transact(ctx, func(tx *sql.Tx) error {
		if err := u.recall(ctx, tx); err != nil {
			return err
		}
		put, err := tx.PrepareContext(ctx, `INSERT INTO flow (hour, meter, opened, proto, port, remote, flows, in_bytes, out_bytes, in_packets, out_packets)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET flows = flows + excluded.flows, in_bytes = in_bytes + excluded.in_bytes, out_bytes = out_bytes + excluded.out_bytes,
				in_packets = in_packets + excluded.in_packets, out_packets = out_packets + excluded.out_packets`)
		if err != nil {
			return err
		}
		defer put.Close() //nolint:errcheck // it goes with the transaction
		for _, r := range rows {
			id, err := u.intern(ctx, tx, r.Owner, now)
			if err != nil {
				return err
			}
			if err := putFlow(ctx, put, id, r.FlowKey, r.FlowSum); err != nil {
				return err
			}
		}
		return trimFlows(ctx, tx, put, meter.HourAt(now))
	})
	if err != nil {
		u.ledger, u.meters = nil, nil // what was interned is not there
		return fmt.Errorf("keep flows: %w", err)
	}
	return nil
}

func putFlow(ctx context.Context, put *sql.Stmt, id meter.ID, k meter.FlowKey, s meter.FlowSum) error {
	remote := ""
	if !k.IsRest() {
		remote = k.Remote.String()
	}
	_, err := put.ExecContext(ctx, k.Hour, id, k.Opened, k.Proto, k.Port, remote, s.Flows, s.In.Bytes, s.Out.Bytes, s.In.Packets, s.Out.Packets)
	return err
}

// trimFlows keeps the largest sums of the hours before one.
func trimFlows(ctx context.Context, tx *sql.Tx, put *sql.Stmt, before meter.Hour) error {
	type shelf struct {
		hour meter.Hour
		id   meter.ID
	}
	var full []shelf
	// Hours were trimmed as they ended: what is booked late is of the last few.
	const late = 48
	rows, err := tx.QueryContext(ctx, `SELECT hour, meter FROM flow WHERE hour >= ? AND hour < ? GROUP BY hour, meter HAVING count(*) > ?`, before-late, before, meter.FlowsKept+1)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	for rows.Next() {
		var one shelf
		if err := rows.Scan(&one.hour, &one.id); err != nil {
			return err
		}
		full = append(full, one)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, one := range full {
		var sums []meter.FlowRow[meter.ID]
		if err := eachFlow(ctx, tx, `WHERE hour = ? AND meter = ?`, []any{one.hour, one.id}, func(r meter.FlowRow[meter.ID]) { sums = append(sums, r) }); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM flow WHERE hour = ? AND meter = ?`, one.hour, one.id); err != nil {
			return err
		}
		for _, r := range meter.Largest(sums, meter.FlowsKept) {
			if err := putFlow(ctx, put, one.id, r.FlowKey, r.FlowSum); err != nil {
				return err
			}
		}
	}
	return nil
}

func eachFlow(ctx context.Context, q querier, where string, args []any, fn func(meter.FlowRow[meter.ID])) error {
	rows, err := q.QueryContext(ctx, `SELECT hour, meter, opened, proto, port, remote, flows, in_bytes, out_bytes, in_packets, out_packets FROM flow `+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	for rows.Next() {
		var r meter.FlowRow[meter.ID]
		var remote string
		if err := rows.Scan(&r.Hour, &r.Owner, &r.Opened, &r.Proto, &r.Port, &remote, &r.Flows, &r.In.Bytes, &r.Out.Bytes, &r.In.Packets, &r.Out.Packets); err != nil {
			return err
		}
		if remote != "" {
			if r.Remote, err = netip.ParsePrefix(remote); err != nil {
				return err
			}
		}
		fn(r)
	}
	return rows.Err()
}

// EachFlow hands out the sums of the hours that begin in a period, of some
// meters or of all.
func (u *Usage) EachFlow(ctx context.Context, p meter.Period, of map[meter.ID]bool, fn func(meter.FlowRow[meter.ID])) error {
	first, end := hoursOf(p)
	err := eachFlow(ctx, u.read, `WHERE hour >= ? AND hour < ?`, []any{first, end}, func(r meter.FlowRow[meter.ID]) {
		if of == nil || of[r.Owner] {
			fn(r)
		}
	})
	if err != nil {
		return fmt.Errorf("read flows: %w", damaged(u.path, err))
	}
	return nil
}

// hoursOf are the hours that begin in a period.
func hoursOf(p meter.Period) (first, end meter.Hour) {
	up := func(t time.Time) meter.Hour {
		h := meter.HourAt(t)
		if h.Start().Before(t) {
			h++
		}
		return h
	}
	return up(p.From), up(p.To)
}

// ForgetFlows deletes the sums of hours before a moment.
func (u *Usage) ForgetFlows(ctx context.Context, before time.Time) error {
	_, err := u.write.ExecContext(context.WithoutCancel(ctx), `DELETE FROM flow WHERE hour < ?`, meter.HourAt(before))
	if err != nil {
		return fmt.Errorf("forget flows: %w", damaged(u.path, busy(err)))
	}
	return nil
}
