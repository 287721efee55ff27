package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"ispctl"
)

// SetDelivered replaces what the provider delivers to the uplink.
func (t *Tx) SetDelivered(prefixes []netip.Prefix) error {
	err := t.exec(`DELETE FROM delivered`)
	for _, p := range prefixes {
		err = errors.Join(err, t.exec(`INSERT INTO delivered (prefix) VALUES (?) ON CONFLICT DO NOTHING`, marshal(p)))
	}
	return err
}

// PutRest says that an address rests, or rests on.
func (t *Tx) PutRest(r ispctl.Rest) error {
	return t.exec(`INSERT INTO address_rest (addr, vm, until) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET vm = excluded.vm, until = excluded.until`, marshal(r.Addr), r.VM, stamp(r.Until))
}

// DeleteRest ends the rest of an address.
func (t *Tx) DeleteRest(a netip.Addr) error {
	return t.exec(`DELETE FROM address_rest WHERE addr = ?`, marshal(a))
}

// Rest is the rest of an address, if it has not had it yet.
func (t *Tx) Rest(a netip.Addr) (ispctl.Rest, bool, error) {
	rests, err := rests(t.ctx, t.tx, t.Now)
	for _, r := range rests {
		if r.Addr == a {
			return r, true, err
		}
	}
	return ispctl.Rest{}, false, err
}

// Rests are the addresses that rest at a time.
func (s *Store) Rests(ctx context.Context, at time.Time) ([]ispctl.Rest, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("read rests: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return rests(ctx, tx, at)
}

func rests(ctx context.Context, tx *sql.Tx, at time.Time) ([]ispctl.Rest, error) {
	var all []ispctl.Rest
	err := each(ctx, tx, `SELECT addr, vm, until FROM address_rest ORDER BY addr`, func(row scanner) error {
		var one ispctl.Rest
		err := row.Scan(text{&one.Addr}, &one.VM, text{&one.Until})
		if one.Until.After(at) {
			all = append(all, one)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rests: %w", err)
	}
	return all, nil
}

// AddNIC gives a VM that is there one more NIC, and returns it with its index
// and the tap name that follows from it.
func (t *Tx) AddNIC(vm ispctl.VM, nic ispctl.NIC) (ispctl.NIC, error) {
	for _, have := range vm.NICs {
		nic.Index = max(nic.Index, have.Index+1)
	}
	nic.Tap = t.store.inst.Tap(vm.ID, nic.Index)
	if err := t.insertNIC(vm.ID, nic); err != nil {
		return nic, fmt.Errorf("vm %s: nic %d: %w", vm.Name, nic.Index, err)
	}
	return nic, nil
}

// DeleteNIC takes a NIC off a VM.
func (t *Tx) DeleteNIC(vm int64, index int) error {
	return t.exec(`DELETE FROM nic WHERE vm = ? AND idx = ?`, vm, index)
}

func (t *Tx) insertNIC(vm int64, nic ispctl.NIC) error {
	return t.exec(`INSERT INTO nic (vm, idx, role, zone, mac, tap, addr, addr6, allow, tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		vm, nic.Index, nic.Role, nic.Zone, nic.MAC, nic.Tap, marshal(nic.Addr), marshal(nic.Addr6), list(nic.Allow), list(nic.Tags))
}
