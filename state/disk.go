package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"ispctl"
)

// vmColumns are those of a VM that its disks and its start are about.
const vmColumns = `cpus, memory, disk_size, number, built, restored, cloned, rescue, start_off, start_order, start_delay`

// scanInto are the places of vmColumns.
func scanInto(vm *ispctl.VM) []any {
	return []any{
		&vm.CPUs, &vm.Memory, &vm.DiskSize, &vm.Number, &vm.Built, &vm.Restored, &vm.Cloned, &vm.Rescue,
		&vm.Autostart.Off, &vm.Autostart.Order,
		seconds{&vm.Autostart.Delay},
	}
}

// diskTables read what VMs have beside their first disks.
func diskTables(m *ispctl.Model, guests map[int64]int) []table {
	return []table{
		{`SELECT vm, id, name, slot, size FROM vm_disk ORDER BY vm, slot`, func(row scanner) error {
			var vm int64
			var one ispctl.Disk
			err := row.Scan(&vm, &one.ID, &one.Name, &one.Slot, &one.Size)
			of := &m.VMs[guests[vm]]
			of.Disks = append(of.Disks, one)
			return err
		}},
		{`SELECT vm, id, name, created, lent FROM vm_snapshot ORDER BY vm, id`, func(row scanner) error {
			var vm int64
			var one ispctl.Snapshot
			err := row.Scan(&vm, &one.ID, &one.Name, text{&one.Created}, &one.Lent)
			of := &m.VMs[guests[vm]]
			of.Snapshots = append(of.Snapshots, one)
			return err
		}},
	}
}

// putSizes writes vmColumns.
func (t *Tx) putSizes(vm ispctl.VM) error {
	return t.exec(`UPDATE vm SET (`+vmColumns+`) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?`,
		vm.CPUs, vm.Memory, vm.DiskSize, vm.Number, vm.Built, vm.Restored, vm.Cloned, vm.Rescue,
		vm.Autostart.Off, vm.Autostart.Order, int64(vm.Autostart.Delay.Seconds()), vm.ID)
}

// InsertDisk gives a VM a data disk, and returns it with its id.
func (t *Tx) InsertDisk(vm int64, d ispctl.Disk) (ispctl.Disk, error) {
	var err error
	d.ID, err = t.insert(`INSERT INTO vm_disk (vm, name, slot, size) VALUES (?, ?, ?, ?)`, vm, d.Name, d.Slot, d.Size)
	return d, err
}

// ResizeDisk changes the size of a data disk.
func (t *Tx) ResizeDisk(id int64, size ispctl.Size) error {
	return t.exec(`UPDATE vm_disk SET size = ? WHERE id = ?`, size, id)
}

// DeleteDisk takes a data disk off its VM.
func (t *Tx) DeleteDisk(id int64) error { return t.exec(`DELETE FROM vm_disk WHERE id = ?`, id) }

// InsertSnapshot records a snapshot of now, and returns it with its id.
func (t *Tx) InsertSnapshot(vm int64, s ispctl.Snapshot) (ispctl.Snapshot, error) {
	var err error
	s.Created = t.Now
	s.ID, err = t.insert(`INSERT INTO vm_snapshot (vm, name, created, lent) VALUES (?, ?, ?, ?)`, vm, s.Name, stamp(s.Created), s.Lent)
	return s, err
}

// DeleteSnapshot forgets a snapshot.
func (t *Tx) DeleteSnapshot(id int64) error {
	return t.exec(`DELETE FROM vm_snapshot WHERE id = ?`, id)
}

func (t *Tx) insert(query string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, taken(err)
	}
	return res.LastInsertId()
}

// Boot is the boot that the host was last seen in; empty: none.
func (s *Store) Boot(ctx context.Context) (string, error) {
	var id string
	err := s.read.QueryRowContext(ctx, `SELECT boot FROM boot`).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the last boot: %w", err)
	}
	return id, nil
}

const putBoot = `INSERT INTO boot (id, boot) VALUES (1, ?) ON CONFLICT DO UPDATE SET boot = excluded.boot`

// PutBoot says which boot the host is in.
func (t *Tx) PutBoot(id string) error { return t.exec(putBoot, id) }

// NoteBoot says which boot the host is in, where nothing follows from it: it is
// no intent, and no row of the journal.
func (s *Store) NoteBoot(ctx context.Context, id string) error {
	if _, err := s.write.ExecContext(context.WithoutCancel(ctx), putBoot, id); err != nil {
		return fmt.Errorf("note the boot: %w", busy(err))
	}
	return nil
}
