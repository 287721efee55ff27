package state

import (
	"context"
	"database/sql"
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"

	"ispctl"
)

// Tx is one change of intent. It carries one reading of the clock.
type Tx struct {
	ctx   context.Context
	tx    *sql.Tx
	store *Store
	Now   time.Time
}

// Entry is what the journal says of a change: who asked for which operation on
// which object, and the rest in a sentence.
type Entry struct {
	Actor, Operation, Object, Detail string
}

// Update runs fn in one transaction. It commits if fn returns nil and the
// model it leaves is valid, and leaves everything as it was otherwise. It
// returns that model. A write
// that has begun is not given up when ctx ends: what it did would be unknown.
func (s *Store) Update(ctx context.Context, e Entry, fn func(*Tx) error) (*ispctl.Model, error) {
	return s.change(ctx, fn, func(t *Tx) error {
		row, err := t.journal(e)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		if err := t.tx.Commit(); err != nil {
			return fmt.Errorf("commit: %w", busy(err))
		}
		// What is committed is promised. That the file lags behind is no reason to
		// say otherwise: the next row brings it on, and verify says so until then.
		_ = s.keepHead(row)
		return nil
	})
}

// Preview runs fn and returns the model it would leave, if that is valid, and
// changes nothing.
func (s *Store) Preview(ctx context.Context, fn func(*Tx) error) (*ispctl.Model, error) {
	return s.change(ctx, fn, func(*Tx) error { return nil })
}

func (s *Store) change(ctx context.Context, fn, end func(*Tx) error) (*ispctl.Model, error) {
	ctx = context.WithoutCancel(ctx)
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", busy(err))
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	t := &Tx{ctx: ctx, tx: tx, store: s, Now: time.Now().UTC().Truncate(time.Millisecond)}
	if err := fn(t); err != nil {
		return nil, err
	}
	m, err := t.Model()
	if err != nil {
		return nil, err
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, end(t)
}

// Context is the transaction's own: it does not end while a write is under way.
func (t *Tx) Context() context.Context { return t.ctx }

// Model is the model as the transaction has left it so far.
func (t *Tx) Model() (*ispctl.Model, error) { return t.store.model(t.ctx, t.tx) }

// PutUplink declares the uplink.
func (t *Tx) PutUplink(u ispctl.Uplink) error {
	return t.exec(`INSERT INTO uplink (id, interface, kind, address, gateway, address6, gateway6, on_move, down, up, rest) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET interface = excluded.interface, kind = excluded.kind, address = excluded.address, gateway = excluded.gateway,
			address6 = excluded.address6, gateway6 = excluded.gateway6, on_move = excluded.on_move,
			down = excluded.down, up = excluded.up, rest = excluded.rest`,
		u.Interface, u.Kind, marshal(u.Address), marshal(u.Gateway), marshal(u.Address6), marshal(u.Gateway6), u.OnMove, u.Down, u.Up, int64(u.Rest.Seconds()))
}

// SetHostServices replaces what the host answers on the uplink.
func (t *Tx) SetHostServices(services []ispctl.Service) error {
	err := t.exec(`DELETE FROM host_service`)
	for _, s := range services {
		err = errors.Join(err, t.exec(`INSERT INTO host_service (port, proto) VALUES (?, ?) ON CONFLICT DO NOTHING`, s.Port, s.Proto))
	}
	return err
}

// SetHostSources replaces who may reach what the host answers on the uplink.
func (t *Tx) SetHostSources(sources []netip.Prefix) error {
	err := t.exec(`DELETE FROM host_source`)
	for _, p := range sources {
		err = errors.Join(err, t.exec(`INSERT INTO host_source (prefix) VALUES (?) ON CONFLICT DO NOTHING`, marshal(p)))
	}
	return err
}

// PutAdmin declares the admin network.
func (t *Tx) PutAdmin(a ispctl.AdminNet) error {
	err := errors.Join(t.exec(`DELETE FROM admin_net`), t.exec(`DELETE FROM admin_link`), t.exec(`DELETE FROM admin_service`))
	if a.Configured() {
		err = errors.Join(err, t.exec(`INSERT INTO admin_net (id, prefix) VALUES (1, ?)`, marshal(a.Prefix)))
	}
	for _, link := range a.Links {
		err = errors.Join(err, t.exec(`INSERT INTO admin_link (name) VALUES (?) ON CONFLICT DO NOTHING`, link))
	}
	for _, s := range a.Services {
		err = errors.Join(err, t.exec(`INSERT INTO admin_service (port, proto) VALUES (?, ?) ON CONFLICT DO NOTHING`, s.Port, s.Proto))
	}
	return err
}

// PutAddress adds an external address, or changes what it is used for.
func (t *Tx) PutAddress(a ispctl.Address) error {
	return t.exec(`INSERT INTO address (addr, mode, vm, mac, applied) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET mode = excluded.mode, vm = excluded.vm, mac = excluded.mac, applied = excluded.applied`,
		marshal(a.Addr), a.Mode, a.VM, a.MAC, a.Applied)
}

// DeleteAddress removes an external address.
func (t *Tx) DeleteAddress(a ispctl.Address) error {
	return t.exec(`DELETE FROM address WHERE addr = ?`, marshal(a.Addr))
}

// PutZone makes the zone, or changes the one of that name.
func (t *Tx) PutZone(z ispctl.Zone) error {
	return t.exec(`INSERT INTO zone (name, prefix, prefix6, leg, trunk, vlan, snat, egress, isolated, ksm, mtu, dhcp, dns, flows, applied) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET prefix = excluded.prefix, prefix6 = excluded.prefix6, leg = excluded.leg, trunk = excluded.trunk, vlan = excluded.vlan, snat = excluded.snat, egress = excluded.egress,
			isolated = excluded.isolated, ksm = excluded.ksm, mtu = excluded.mtu, dhcp = excluded.dhcp, dns = excluded.dns, flows = excluded.flows, applied = excluded.applied`,
		z.Name, marshal(z.Prefix), marshal(z.Prefix6), marshal(z.Leg), z.Trunk, z.VLAN, marshal(z.SNAT), z.Egress, z.Isolated, z.KSM, z.MTU, z.DHCP, z.DNS, z.Flows, z.Applied)
}

// DeleteZone removes a zone.
func (t *Tx) DeleteZone(name ispctl.Name) error {
	return t.exec(`DELETE FROM zone WHERE name = ?`, name)
}

// PutPlan makes the plan, or changes the one of that name.
func (t *Tx) PutPlan(p ispctl.Plan) error {
	err := t.exec(`INSERT INTO plan (name, cpus, memory, disk, applied) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET cpus = excluded.cpus, memory = excluded.memory, disk = excluded.disk, applied = excluded.applied`,
		p.Name, p.CPUs, p.Memory, p.Disk, p.Applied)
	return errors.Join(err, t.putLimits("plan_limit", "plan", p.Name, p.Limits))
}

// DeletePlan removes a plan.
func (t *Tx) DeletePlan(name ispctl.Name) error {
	return errors.Join(t.exec(`DELETE FROM quota WHERE plan = ?`, name), t.exec(`DELETE FROM plan WHERE name = ?`, name))
}

// PutImage registers an image of the store. The same content may be built
// twice: the later time stands.
func (t *Tx) PutImage(i ispctl.Image) error {
	return t.exec(`INSERT INTO image (digest, name, size, cmdline, built, disk_boot) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (digest) DO UPDATE SET name = excluded.name, built = excluded.built`,
		i.Digest, i.Name, i.Size, i.Cmdline, stamp(i.Built), i.DiskBoot)
}

// DeleteImage forgets an image.
func (t *Tx) DeleteImage(digest string) error {
	return t.exec(`DELETE FROM image WHERE digest = ?`, digest)
}

// InsertVM records a new VM with its keys and NICs, and returns it with the id
// and the tap names that follow from it.
func (t *Tx) InsertVM(vm ispctl.VM) (ispctl.VM, error) {
	vm.Created = t.Now
	res, err := t.tx.ExecContext(t.ctx,
		`INSERT INTO vm (uuid, name, zone, plan, template, image, tenant, wanted, created, applied) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		vm.UUID, vm.Name, vm.Zone, vm.Plan, vm.Template, vm.Image, vm.Tenant, vm.Wanted, stamp(vm.Created), vm.Applied)
	if err != nil {
		return vm, fmt.Errorf("vm %s: %w", vm.Name, taken(err))
	}
	if vm.ID, err = res.LastInsertId(); err != nil {
		return vm, err
	}
	for i := range vm.NICs {
		nic := &vm.NICs[i]
		nic.Index, nic.Tap = i, t.store.inst.Tap(vm.ID, i)
		if err := t.insertNIC(vm.ID, *nic); err != nil {
			return vm, fmt.Errorf("vm %s: nic %d: %w", vm.Name, i, err)
		}
	}
	if err := errors.Join(t.SetHostKey(vm.ID, vm.HostKey), t.SetKeys(vm.ID, vm.SSHKeys), t.putSizes(vm), t.putLimits("vm_limit", "vm", vm.ID, vm.Limits)); err != nil {
		return vm, fmt.Errorf("vm %s: %w", vm.Name, err)
	}
	return vm, nil
}

// SetAddr6 gives a NIC another IPv6 address, or none.
func (t *Tx) SetAddr6(vm int64, nic int, addr netip.Addr) error {
	return t.exec(`UPDATE nic SET addr6 = ? WHERE vm = ? AND idx = ?`, marshal(addr), vm, nic)
}

// SetHostKey records the public host key of a VM; empty: it is not known.
func (t *Tx) SetHostKey(vm int64, key string) error {
	if key == "" {
		return t.exec(`DELETE FROM host_key WHERE vm = ?`, vm)
	}
	return t.exec(`INSERT INTO host_key (vm, key) VALUES (?, ?) ON CONFLICT (vm) DO UPDATE SET key = excluded.key`, vm, key)
}

// SetKeys replaces the SSH keys a VM is made with.
func (t *Tx) SetKeys(vm int64, keys []string) error {
	err := t.exec(`DELETE FROM vm_key WHERE vm = ?`, vm)
	for i, key := range keys {
		err = errors.Join(err, t.exec(`INSERT INTO vm_key (vm, seq, key) VALUES (?, ?, ?)`, vm, i, key))
	}
	return err
}

// UpdateVM changes a VM's plan, tenant, sizes, limits, template, image, run state, generation and provenance; its
// other columns are for life, but for its name, see [Tx.RenameVM].
func (t *Tx) UpdateVM(vm ispctl.VM) error {
	err := t.exec(`UPDATE vm SET plan = ?, tenant = ?, template = ?, image = ?, wanted = ?, paused = ?, generation = ?, applied = ? WHERE id = ?`,
		vm.Plan, vm.Tenant, vm.Template, vm.Image, vm.Wanted, vm.Paused, vm.Generation, vm.Applied, vm.ID)
	return errors.Join(err, t.putSizes(vm), t.putLimits("vm_limit", "vm", vm.ID, vm.Limits))
}

// RenameVM gives a VM another name, and all that leads to it.
func (t *Tx) RenameVM(vm ispctl.VM, name ispctl.Name) error {
	return errors.Join(
		t.exec(`PRAGMA defer_foreign_keys = ON`), // until the forwards have followed
		t.exec(`UPDATE vm SET name = ? WHERE id = ?`, name, vm.ID),
		t.exec(`UPDATE forward SET vm = ? WHERE vm = ?`, name, vm.Name),
		t.exec(`UPDATE flow SET vm = ? WHERE vm = ?`, name, vm.Name),
		t.exec(`UPDATE address SET vm = ? WHERE vm = ?`, name, vm.Name),
		t.exec(`UPDATE address_rest SET vm = ? WHERE vm = ?`, name, vm.Name),
		t.exec(`UPDATE quota SET vm = ? WHERE vm = ?`, name, vm.Name),
	)
}

// UpdateNIC changes what a NIC is let do, and the VLANs it takes part in; its
// other columns are for life.
func (t *Tx) UpdateNIC(vm int64, nic ispctl.NIC) error {
	return t.exec(`UPDATE nic SET allow = ?, tags = ? WHERE vm = ? AND idx = ?`, list(nic.Allow), list(nic.Tags), vm, nic.Index)
}

// DeleteVM forgets a VM that every layer has let go of, and frees its address.
func (t *Tx) DeleteVM(id int64) error {
	return errors.Join(t.exec(`DELETE FROM quota WHERE vm = (SELECT name FROM vm WHERE id = ?)`, id), t.exec(`DELETE FROM vm WHERE id = ?`, id))
}

// PutForward makes the forward, or changes the one with the same outside end.
func (t *Tx) PutForward(f ispctl.Forward) error {
	return t.exec(`INSERT INTO forward (addr, port, last_port, proto, vm, vm_port, applied) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (addr, port, proto) DO UPDATE SET last_port = excluded.last_port, vm = excluded.vm, vm_port = excluded.vm_port, applied = excluded.applied`,
		marshal(f.Listen.Addr), f.Listen.Port, f.Last, f.Listen.Proto, f.VM, f.Port, f.Applied)
}

// DeleteForward removes the forward with that outside end.
func (t *Tx) DeleteForward(l ispctl.Listen) error {
	return t.exec(`DELETE FROM forward WHERE addr = ? AND port = ? AND proto = ?`, marshal(l.Addr), l.Port, l.Proto)
}

// PutPolicy makes the policy, or changes the one that lets the same through.
func (t *Tx) PutPolicy(p ispctl.Policy) error {
	return t.exec(`INSERT INTO policy (from_end, to_end, transport, port, family, log, applied) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET log = excluded.log, applied = excluded.applied`,
		p.From, p.To, p.Opening.Transport, p.Opening.Port, p.Family, p.Log, p.Applied)
}

// DeletePolicy removes a policy.
func (t *Tx) DeletePolicy(p ispctl.Policy) error {
	return t.exec(`DELETE FROM policy WHERE from_end = ? AND to_end = ? AND transport = ? AND port = ? AND family = ?`,
		p.From, p.To, p.Opening.Transport, p.Opening.Port, p.Family)
}

func (t *Tx) exec(query string, args ...any) error {
	_, err := t.tx.ExecContext(t.ctx, query, args...)
	return taken(err)
}

// stampFormat is RFC 3339 with all of its nanoseconds: texts of one length sort
// as the times they stand for.
const stampFormat = "2006-01-02T15:04:05.000000000Z07:00"

// stamp is a time as the database has it.
func stamp(at time.Time) string { return at.UTC().Format(stampFormat) }

// marshal is the text form of an address or prefix; that of the zero value is
// empty.
func marshal(v encoding.TextMarshaler) string {
	b, err := v.MarshalText()
	if err != nil {
		return "" // netip's own never fail
	}
	return string(b)
}

// list is its members with a space between them.
func list[T any](all []T) string {
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = fmt.Sprint(one)
	}
	return strings.Join(words, " ")
}

// taken turns a broken UNIQUE or foreign key into a conflict. The operations
// and Validate find these first and say it better; this is the last resort.
func taken(err error) error {
	if e, ok := errors.AsType[sqlite3.Error](err); ok && e.Code == sqlite3.ErrConstraint {
		return &ispctl.Error{Kind: ispctl.Conflict, Cause: "is taken, or still in use", Err: err}
	}
	return err
}

func busy(err error) error {
	if e, ok := errors.AsType[sqlite3.Error](err); ok && e.Code == sqlite3.ErrBusy {
		return &ispctl.Error{Kind: ispctl.Conflict, Cause: "another ispctl is writing to the database", Err: err, Next: "try again"}
	}
	return err
}
