package state

import "ispctl"

// PutRoot says who was handed root on a VM.
func (t *Tx) PutRoot(vm int64, r ispctl.RootHolder) error {
	return t.exec(`INSERT INTO vm_root (vm, tenant, since, operator) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET tenant = excluded.tenant, since = excluded.since, operator = excluded.operator`,
		vm, r.Tenant, stamp(r.Since), r.Operator)
}

// rootTables read who was handed root. Guests are the VMs' places by id.
func rootTables(m *ispctl.Model, guests map[int64]int) []table {
	return []table{{`SELECT vm, tenant, since, operator FROM vm_root`, func(row scanner) error {
		var vm int64
		var one ispctl.RootHolder
		err := row.Scan(&vm, &one.Tenant, text{&one.Since}, &one.Operator)
		m.VMs[guests[vm]].Root = one
		return err
	}}}
}
