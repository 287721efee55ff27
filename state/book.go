package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ispctl/meter"
)

// MeterKind is what is metered.
type MeterKind string

// The kinds.
const (
	VMMeter      MeterKind = "vm"
	AddressMeter MeterKind = "address"
)

// Meter is whom what passed belongs to. A VM that moves to another zone or
// tenant has another meter from then on.
type Meter struct {
	ID     meter.ID
	Kind   MeterKind
	Ref    string // a VM's UUID, or the address: what it is known by
	Name   string // a VM's; of one that is gone, its last
	Zone   string
	Tenant string
	Plan   string
	Since  time.Time
}

// meterKey is what tells meters apart.
type meterKey struct {
	kind              MeterKind
	ref, zone, tenant string
}

func (m Meter) key() meterKey { return meterKey{m.Kind, m.Ref, m.Zone, m.Tenant} }

type knownMeter struct {
	id         meter.ID
	name, plan string
}

// ownedMeter is whose a source was, and the number of that meter. It is known
// again by where it is, and what it says is only compared when that is another
// place: there are thousands, every few seconds.
type ownedMeter struct {
	*Meter
	id meter.ID
}

// Booked is what a booking came to.
type Booked struct {
	Samples int // five-minute samples that were completed
	Notes   []meter.Note
}

// Book books a reading: what has passed since the last one, and that it has
// been booked, in one transaction. A process that is killed before or after
// leaves a reading that the next one takes up. Owners says whose a source is; nil:
// nobody's. It does not change what it once gave.
func (u *Usage) Book(ctx context.Context, r meter.Reading, owners func(meter.Source) *Meter) (Booked, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	b, err := u.book(context.WithoutCancel(ctx), r, owners)
	if err != nil {
		u.ledger, u.meters = nil, nil
		return b, fmt.Errorf("book usage: %w", damaged(u.path, busy(err)))
	}
	return b, nil
}

func (u *Usage) book(ctx context.Context, r meter.Reading, owners func(meter.Source) *Meter) (Booked, error) {
	tx, err := u.write.BeginTx(ctx, nil)
	if err != nil {
		return Booked{}, err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if err := u.recall(ctx, tx); err != nil {
		return Booked{}, err
	}
	began := u.ledger.At // what a note is about began then
	var wrong error
	samples, notes := u.ledger.Take(r, func(s meter.Source) (meter.ID, bool) {
		m := owners(s)
		if m == nil {
			return 0, false
		}
		have := u.owned[s]
		if have.Meter == m {
			return have.id, true // as in nearly every reading
		}
		if have.Meter != nil && *have.Meter == *m {
			u.owned[s] = ownedMeter{m, have.id}
			return have.id, true
		}
		id, err := u.intern(ctx, tx, *m, r.At)
		if err != nil {
			wrong = errors.Join(wrong, err)
			return 0, false
		}
		u.owned[s] = ownedMeter{m, id}
		return id, true
	})
	if wrong != nil {
		return Booked{}, wrong
	}
	if err := putSlots(ctx, tx, samples); err != nil {
		return Booked{}, err
	}
	for _, n := range notes {
		if _, err := tx.ExecContext(ctx, `INSERT INTO note (slot, at, text) VALUES (?, ?, ?)`, meter.SlotAt(began), stamp(r.At), n); err != nil {
			return Booked{}, err
		}
	}
	u.seq++
	if _, err := tx.ExecContext(ctx, `INSERT INTO ledger (id, seq, data) VALUES (1, ?, ?)
		ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, data = excluded.data`, u.seq, u.ledger.Encode()); err != nil {
		return Booked{}, err
	}
	return Booked{Samples: len(samples), Notes: notes}, tx.Commit()
}

// recall makes what is remembered be what is stored.
func (u *Usage) recall(ctx context.Context, tx *sql.Tx) error {
	var seq int64
	err := tx.QueryRowContext(ctx, `SELECT seq FROM ledger`).Scan(&seq)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if u.ledger != nil && u.meters != nil && seq == u.seq {
		return nil
	}
	u.seq = seq
	if u.ledger, err = readLedger(ctx, tx); err != nil {
		return err
	}
	u.meters, u.owned = map[meterKey]knownMeter{}, map[meter.Source]ownedMeter{}
	all, err := readMeters(ctx, tx)
	for _, m := range all {
		u.meters[m.key()] = knownMeter{m.ID, m.Name, m.Plan}
	}
	return err
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readLedger(ctx context.Context, q querier) (*meter.Ledger, error) {
	var data []byte
	if err := q.QueryRowContext(ctx, `SELECT data FROM ledger`).Scan(&data); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	return meter.DecodeLedger(data)
}

func readMeters(ctx context.Context, q querier) ([]Meter, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, kind, ref, name, zone, tenant, plan, since FROM meter ORDER BY kind DESC, name, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	var all []Meter
	for rows.Next() {
		var m Meter
		if err := rows.Scan(&m.ID, &m.Kind, &m.Ref, &m.Name, &m.Zone, &m.Tenant, &m.Plan, text{&m.Since}); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, rows.Err()
}

// intern is the number of a meter, which is made when it is new.
func (u *Usage) intern(ctx context.Context, tx *sql.Tx, m Meter, now time.Time) (meter.ID, error) {
	known, there := u.meters[m.key()]
	if there && known.name == m.Name && known.plan == m.Plan {
		return known.id, nil
	}
	err := tx.QueryRowContext(ctx, `INSERT INTO meter (kind, ref, name, zone, tenant, plan, since) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind, ref, zone, tenant) DO UPDATE SET name = excluded.name, plan = excluded.plan RETURNING id`,
		m.Kind, m.Ref, m.Name, m.Zone, m.Tenant, m.Plan, stamp(now)).Scan(&known.id)
	if err != nil {
		return 0, err
	}
	u.meters[m.key()] = knownMeter{known.id, m.Name, m.Plan}
	return known.id, nil
}

// putSlots stores samples, a row for each slot. They are sorted by slot and
// meter.
func putSlots(ctx context.Context, tx *sql.Tx, samples []meter.Sample) error {
	for len(samples) > 0 {
		n := 1
		for n < len(samples) && samples[n].Slot == samples[0].Slot {
			n++
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO slot (slot, data) VALUES (?, ?)`, samples[0].Slot, meter.EncodeSlot(samples[:n])); err != nil {
			return err
		}
		samples = samples[n:]
	}
	return nil
}

// Add stores samples that come from elsewhere: another host's.
func (u *Usage) Add(ctx context.Context, at time.Time, of []Meter, samples func(ids []meter.ID) []meter.Sample, note meter.Note) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	err := u.transact(ctx, func(tx *sql.Tx) error {
		if err := u.recall(ctx, tx); err != nil {
			return err
		}
		ids := make([]meter.ID, len(of))
		for i, m := range of {
			var err error
			if ids[i], err = u.intern(ctx, tx, m, m.Since); err != nil {
				return err
			}
		}
		if err := putSlots(ctx, tx, samples(ids)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO note (slot, at, text) VALUES (?, ?, ?)`, meter.SlotAt(at), stamp(at), note)
		return err
	})
	u.ledger, u.meters = nil, nil
	return err
}

// transact runs fn in a transaction.
func (u *Usage) transact(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := u.write.BeginTx(ctx, nil)
	if err != nil {
		return damaged(u.path, busy(err))
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if err := fn(tx); err != nil {
		return damaged(u.path, err)
	}
	return damaged(u.path, busy(tx.Commit()))
}
