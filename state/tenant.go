package state

import (
	"errors"
	"fmt"
	"slices"

	"ispctl"
)

// PutTenant makes the tenant, or changes the one of that name.
func (t *Tx) PutTenant(one ispctl.Tenant) error {
	err := errors.Join(
		t.exec(`INSERT INTO tenant (name, title, contact, suspended, applied) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET title = excluded.title, contact = excluded.contact, suspended = excluded.suspended, applied = excluded.applied`,
			one.Name, one.Title, one.Contact, one.Suspended, one.Applied),
		t.exec(`DELETE FROM tenant_key WHERE tenant = ?`, one.Name),
		t.exec(`DELETE FROM tenant_share WHERE tenant = ?`, one.Name),
	)
	for i, key := range one.Keys {
		err = errors.Join(err, t.putTenantKey(one.Name, i, key))
	}
	for _, f := range ispctl.ShareTable() {
		if n := f.Value(one.Share); n != 0 {
			err = errors.Join(err, t.exec(`INSERT INTO tenant_share (tenant, name, value) VALUES (?, ?, ?)`, one.Name, f.Name, n))
		}
	}
	return err
}

// putTenantKey says whose a key is if somebody else has it: the table would only
// say that it is taken.
func (t *Tx) putTenantKey(tenant ispctl.Name, seq int, key string) error {
	print := ispctl.KeyFingerprint(key)
	var owner string
	if err := t.tx.QueryRowContext(t.ctx, `SELECT tenant FROM tenant_key WHERE fingerprint = ?`, print).Scan(&owner); err == nil {
		return ispctl.Conflicting("tenant", string(tenant), "key %s is tenant %q's already", print, owner)
	}
	return t.exec(`INSERT INTO tenant_key (tenant, seq, fingerprint, key) VALUES (?, ?, ?, ?)`, tenant, seq, print, key)
}

// DeleteTenant removes a tenant with its keys.
func (t *Tx) DeleteTenant(name ispctl.Name) error {
	return errors.Join(t.exec(`DELETE FROM quota WHERE tenant = ?`, name), t.exec(`DELETE FROM tenant WHERE name = ?`, name))
}

// tenantTables are read after the VMs.
func tenantTables(m *ispctl.Model) []table {
	of := func(name ispctl.Name) *ispctl.Tenant {
		i := slices.IndexFunc(m.Tenants, func(t ispctl.Tenant) bool { return t.Name == name })
		return &m.Tenants[i] // foreign keys are on
	}
	return []table{
		{`SELECT name, title, contact, suspended, applied FROM tenant ORDER BY name`, func(row scanner) error {
			var one ispctl.Tenant
			err := row.Scan(&one.Name, &one.Title, &one.Contact, &one.Suspended, &one.Applied)
			m.Tenants = append(m.Tenants, one)
			return err
		}},
		{`SELECT tenant, key FROM tenant_key ORDER BY tenant, seq`, func(row scanner) error {
			var tenant ispctl.Name
			var key string
			if err := row.Scan(&tenant, &key); err != nil {
				return err
			}
			t := of(tenant)
			t.Keys = append(t.Keys, key)
			return nil
		}},
		{`SELECT tenant, name, value FROM tenant_share`, func(row scanner) error {
			var tenant ispctl.Name
			var name string
			var value int64
			if err := row.Scan(&tenant, &name, &value); err != nil {
				return err
			}
			for _, f := range ispctl.ShareTable() {
				if f.Name == name {
					f.SetValue(&of(tenant).Share, value)
					return nil
				}
			}
			return fmt.Errorf("the database has a bound %q that this ispctl does not know", name)
		}},
	}
}
