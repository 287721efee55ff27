package state

import (
	"errors"
	"fmt"

	"ispctl"
)

// putLimits replaces the limits of a plan or a VM. Table and column are
// literals of this package.
func (t *Tx) putLimits(table, column string, owner any, l ispctl.Limits) error {
	err := t.exec(`DELETE FROM `+table+` WHERE `+column+` = ?`, owner)
	for _, f := range ispctl.LimitTable() {
		if n, word := f.Value(l); n != 0 || word != "" {
			err = errors.Join(err, t.exec(`INSERT INTO `+table+` (`+column+`, name, value, word) VALUES (?, ?, ?, ?)`, owner, f.Key(), n, word))
		}
	}
	return err
}

// scanLimit reads one limit and whose it is, and returns what puts it where it
// belongs.
func scanLimit(row scanner, owner any) (set func(*ispctl.Limits), err error) {
	var name, word string
	var value int64
	if err := row.Scan(owner, &name, &value, &word); err != nil {
		return func(*ispctl.Limits) {}, err
	}
	for _, f := range ispctl.LimitTable() {
		if f.Key() == name {
			return func(l *ispctl.Limits) { f.SetValue(l, value, word) }, nil
		}
	}
	return func(*ispctl.Limits) {}, fmt.Errorf("the database has a limit %q that this ispctl does not know", name)
}

// PutFlow makes a flow limit, or changes the one in the same slot.
func (t *Tx) PutFlow(f ispctl.Flow) error {
	return t.exec(`INSERT INTO flow (vm, slot, transport, port, remote, rate, each, priority, applied) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (vm, slot) DO UPDATE SET transport = excluded.transport, port = excluded.port, remote = excluded.remote,
			rate = excluded.rate, each = excluded.each, priority = excluded.priority, applied = excluded.applied`,
		f.VM, f.Slot, f.Match.Transport, f.Match.Port, marshal(f.Remote), f.Rate, f.Each, f.Urgency, f.Applied)
}

// DeleteFlow removes a flow limit.
func (t *Tx) DeleteFlow(f ispctl.Flow) error {
	return t.exec(`DELETE FROM flow WHERE vm = ? AND slot = ?`, f.VM, f.Slot)
}

// PutTotal makes a total, or changes the one of the same zone or tenant.
func (t *Tx) PutTotal(one ispctl.Total) error {
	return t.exec(`INSERT INTO total (kind, name, slot, down, up, guarantee, applied) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind, name) DO UPDATE SET slot = excluded.slot, down = excluded.down, up = excluded.up,
			guarantee = excluded.guarantee, applied = excluded.applied`,
		one.Kind, one.Name, one.Slot, one.Down, one.Up, one.Guarantee, one.Applied)
}

// DeleteTotal removes a total.
func (t *Tx) DeleteTotal(one ispctl.Total) error {
	return t.exec(`DELETE FROM total WHERE kind = ? AND name = ?`, one.Kind, one.Name)
}
