package state

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"ispctl"
)

// Model reads one snapshot of intent, whole or not at all.
func (s *Store) Model(ctx context.Context) (*ispctl.Model, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return s.model(ctx, tx)
}

func (s *Store) model(ctx context.Context, tx *sql.Tx) (*ispctl.Model, error) {
	m := &ispctl.Model{Installation: s.inst, Paths: s.paths}
	guests := map[int64]int{} // VM id to its index
	for _, table := range append([]table{
		{`SELECT interface, kind, address, gateway, address6, gateway6, on_move, down, up, rest FROM uplink`, func(row scanner) error {
			u := &m.Uplink
			return row.Scan(&u.Interface, &u.Kind, text{&u.Address}, text{&u.Gateway}, text{&u.Address6}, text{&u.Gateway6}, &u.OnMove, &u.Down, &u.Up, seconds{&u.Rest})
		}},
		{`SELECT reserve, memory_overcommit, disk_overcommit FROM sharing`, func(row scanner) error {
			return row.Scan(&m.Sharing.MemoryReserve, &m.Sharing.MemoryOvercommit, &m.Sharing.DiskOvercommit)
		}},
		{`SELECT port, proto FROM host_service ORDER BY proto, port`, func(row scanner) error {
			var one ispctl.Service
			err := row.Scan(&one.Port, &one.Proto)
			m.HostServices = append(m.HostServices, one)
			return err
		}},
		{`SELECT prefix FROM host_source`, func(row scanner) error {
			var one netip.Prefix
			err := row.Scan(text{&one})
			m.HostSources = append(m.HostSources, one)
			return err
		}},
		{`SELECT prefix FROM admin_net`, func(row scanner) error { return row.Scan(text{&m.Admin.Prefix}) }},
		{`SELECT name FROM admin_link ORDER BY name`, func(row scanner) error {
			var one string
			err := row.Scan(&one)
			m.Admin.Links = append(m.Admin.Links, one)
			return err
		}},
		{`SELECT port, proto FROM admin_service ORDER BY proto, port`, func(row scanner) error {
			var one ispctl.Service
			err := row.Scan(&one.Port, &one.Proto)
			m.Admin.Services = append(m.Admin.Services, one)
			return err
		}},
		{`SELECT prefix FROM delivered`, func(row scanner) error {
			var one netip.Prefix
			err := row.Scan(text{&one})
			m.Delivers = append(m.Delivers, one)
			return err
		}},
		{`SELECT addr, mode, vm, mac, applied FROM address`, func(row scanner) error {
			var one ispctl.Address
			err := row.Scan(text{&one.Addr}, &one.Mode, &one.VM, &one.MAC, &one.Applied)
			m.Addresses = append(m.Addresses, one)
			return err
		}},
		{`SELECT id, name, prefix, prefix6, leg, trunk, vlan, snat, egress, isolated, ksm, mtu, dhcp, dns, flows, applied FROM zone ORDER BY name`, func(row scanner) error {
			var one ispctl.Zone
			err := row.Scan(&one.ID, &one.Name, text{&one.Prefix}, text{&one.Prefix6}, text{&one.Leg}, &one.Trunk, &one.VLAN, text{&one.SNAT}, &one.Egress, &one.Isolated, &one.KSM, &one.MTU, &one.DHCP, &one.DNS, &one.Flows, &one.Applied)
			m.Zones = append(m.Zones, one)
			return err
		}},
		{`SELECT name, cpus, memory, disk, applied FROM plan ORDER BY name`, func(row scanner) error {
			var one ispctl.Plan
			err := row.Scan(&one.Name, &one.CPUs, &one.Memory, &one.Disk, &one.Applied)
			m.Plans = append(m.Plans, one)
			return err
		}},
		{`SELECT plan, name, value, word FROM plan_limit`, func(row scanner) error {
			var plan ispctl.Name
			set, err := scanLimit(row, &plan)
			if i := slices.IndexFunc(m.Plans, func(p ispctl.Plan) bool { return p.Name == plan }); i >= 0 {
				set(&m.Plans[i].Limits)
			}
			return err
		}},
		{`SELECT digest, name, size, cmdline, built, disk_boot FROM image ORDER BY name, built, digest`, func(row scanner) error {
			var one ispctl.Image
			err := row.Scan(&one.Digest, &one.Name, &one.Size, &one.Cmdline, text{&one.Built}, &one.DiskBoot)
			m.Images = append(m.Images, one)
			return err
		}},
		{`SELECT id, uuid, name, zone, plan, template, image, tenant, wanted, paused, generation, created, applied, ` + vmColumns + ` FROM vm ORDER BY name`, func(row scanner) error {
			var one ispctl.VM
			err := row.Scan(append([]any{&one.ID, &one.UUID, &one.Name, &one.Zone, &one.Plan, &one.Template, &one.Image, &one.Tenant, &one.Wanted, &one.Paused, &one.Generation, text{&one.Created}, &one.Applied}, scanInto(&one)...)...)
			guests[one.ID] = len(m.VMs)
			m.VMs = append(m.VMs, one)
			return err
		}},
		{`SELECT vm, key FROM host_key`, func(row scanner) error {
			var vm int64
			var key string
			err := row.Scan(&vm, &key)
			m.VMs[guests[vm]].HostKey = key
			return err
		}},
		{`SELECT vm, key FROM vm_key ORDER BY vm, seq`, func(row scanner) error {
			var vm int64
			var key string
			err := row.Scan(&vm, &key)
			of := &m.VMs[guests[vm]]
			of.SSHKeys = append(of.SSHKeys, key)
			return err
		}},
		{`SELECT vm, idx, role, zone, mac, tap, addr, addr6, allow, tags FROM nic ORDER BY vm, idx`, func(row scanner) error {
			var vm int64
			var one ispctl.NIC
			err := row.Scan(&vm, &one.Index, &one.Role, &one.Zone, &one.MAC, &one.Tap, text{&one.Addr}, text{&one.Addr6}, words[ispctl.Allowance]{&one.Allow}, words[int]{&one.Tags})
			of := &m.VMs[guests[vm]]
			of.NICs = append(of.NICs, one)
			return err
		}},
		{`SELECT vm, name, value, word FROM vm_limit`, func(row scanner) error {
			var vm int64
			set, err := scanLimit(row, &vm)
			set(&m.VMs[guests[vm]].Limits)
			return err
		}},
		{`SELECT kind, name, slot, down, up, guarantee, applied FROM total`, func(row scanner) error {
			var one ispctl.Total
			err := row.Scan(&one.Kind, &one.Name, &one.Slot, &one.Down, &one.Up, &one.Guarantee, &one.Applied)
			m.Totals = append(m.Totals, one)
			return err
		}},
		{`SELECT vm, slot, transport, port, remote, rate, each, priority, applied FROM flow`, func(row scanner) error {
			var one ispctl.Flow
			err := row.Scan(&one.VM, &one.Slot, &one.Match.Transport, &one.Match.Port, text{&one.Remote}, &one.Rate, &one.Each, &one.Urgency, &one.Applied)
			m.Flows = append(m.Flows, one)
			return err
		}},
		{`SELECT id, addr, port, last_port, proto, vm, vm_port, applied FROM forward`, func(row scanner) error {
			var one ispctl.Forward
			err := row.Scan(&one.ID, text{&one.Listen.Addr}, &one.Listen.Port, &one.Last, &one.Listen.Proto, &one.VM, &one.Port, &one.Applied)
			m.Forwards = append(m.Forwards, one)
			return err
		}},
		{`SELECT from_end, to_end, transport, port, family, log, applied FROM policy`, func(row scanner) error {
			var one ispctl.Policy
			err := row.Scan(&one.From, &one.To, &one.Opening.Transport, &one.Opening.Port, &one.Family, &one.Log, &one.Applied)
			m.Policies = append(m.Policies, one)
			return err
		}},
	}, slices.Concat(diskTables(m, guests), usageTables(m), tenantTables(m), gatewayTables(m), vpnTables(m, time.Now()), rootTables(m, guests))...) {
		if err := each(ctx, tx, table.query, table.scan); err != nil {
			return nil, fmt.Errorf("read model: %w", err)
		}
	}
	m.Sort()
	return m, nil
}

// table is a query of the model, and what becomes of each of its rows.
type table struct {
	query string
	scan  func(scanner) error
}

type scanner interface{ Scan(dest ...any) error }

func each(ctx context.Context, tx *sql.Tx, query string, scan func(scanner) error) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// text scans a column into a value that has a text form; empty is the zero
// value.
type text struct{ into any }

// Scan implements sql.Scanner.
func (t text) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("want text, have %T", src)
	}
	switch into := t.into.(type) {
	case *netip.Addr:
		return into.UnmarshalText([]byte(s))
	case *netip.Prefix:
		return into.UnmarshalText([]byte(s))
	case *time.Time:
		at, err := time.Parse(time.RFC3339Nano, s)
		*into = at
		return err
	}
	return fmt.Errorf("no text form for %T", t.into)
}

// seconds scans a number of them.
type seconds struct{ into *time.Duration }

// Scan implements sql.Scanner.
func (s seconds) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("want seconds, have %T", src)
	}
	*s.into = time.Duration(n) * time.Second
	return nil
}

// words scans a list with a space between its members; empty is none.
type words[T any] struct{ into *[]T }

// Scan implements sql.Scanner.
func (w words[T]) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("want words, have %T", src)
	}
	for _, word := range strings.Fields(s) {
		var one T
		if _, err := fmt.Sscan(word, &one); err != nil {
			return fmt.Errorf("%q: %w", word, err)
		}
		*w.into = append(*w.into, one)
	}
	return nil
}
