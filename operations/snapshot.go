package operations

import (
	"context"
	"fmt"
	"time"

	"ispctl"
	"ispctl/state"
)

// SnapshotView is a snapshot of a VM, as scripts see it.
type SnapshotView struct {
	VM        ispctl.Name `json:"vm"`
	Name      ispctl.Name `json:"name"`
	CreatedAt time.Time   `json:"created_at"`
}

// Snapshots lists the snapshots of a VM, the oldest first.
func (p *Provider) Snapshots(ctx context.Context, name string) ([]SnapshotView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	vm, err := m.VM(name)
	if err != nil {
		return nil, err
	}
	return viewSnapshots(vm), nil
}

func viewSnapshots(vm ispctl.VM) []SnapshotView {
	views := []SnapshotView{}
	for _, s := range vm.OwnSnapshots() {
		views = append(views, SnapshotView{VM: vm.Name, Name: s.Name, CreatedAt: s.Created})
	}
	return views
}

// CreateSnapshot keeps what a VM's first disk holds now. One that runs goes on
// meanwhile; its disk is kept as a power cut would leave it.
func (p *Provider) CreateSnapshot(ctx context.Context, name string, snapshot ispctl.Name, o Options) (Result, error) {
	return p.changeVM(ctx, "snapshot create", name, o, func(tx *state.Tx, _ *ispctl.Model, vm ispctl.VM) ([]string, error) {
		if _, err := vm.Snapshot(string(snapshot)); err == nil {
			return nil, &ispctl.Error{
				Kind: ispctl.Conflict, Object: fmt.Sprintf("snapshot %q", name+"/"+string(snapshot)), Cause: "is there already",
				Next: "see: ispctl vm snapshot list " + name,
			}
		}
		_, err := tx.InsertSnapshot(vm.ID, ispctl.Snapshot{Name: snapshot})
		return []string{fmt.Sprintf("+ snapshot %s/%s", name, snapshot)}, err
	})
}

// DeleteSnapshot gives up what a snapshot keeps.
func (p *Provider) DeleteSnapshot(ctx context.Context, name, snapshot string, ifExists bool, o Options) (Result, error) {
	return p.changeVM(ctx, "snapshot delete", name, o, func(tx *state.Tx, _ *ispctl.Model, vm ispctl.VM) ([]string, error) {
		s, err := vm.Snapshot(snapshot)
		if err != nil {
			return nil, missing(err, ifExists)
		}
		return []string{fmt.Sprintf("- snapshot %s/%s", name, snapshot)}, tx.DeleteSnapshot(s.ID)
	})
}

// RestoreSnapshot puts a VM's first disk back to what a snapshot kept. What was
// written since is gone; data disks and the snapshots stay. A VM that runs is cut
// off, and boots from it.
func (p *Provider) RestoreSnapshot(ctx context.Context, name, snapshot string, o Options) (Result, error) {
	return p.changeVM(ctx, "snapshot restore", name, o, func(tx *state.Tx, _ *ispctl.Model, vm ispctl.VM) ([]string, error) {
		s, err := vm.Snapshot(snapshot)
		if err != nil {
			return nil, err
		}
		if vm.Rescue != "" {
			return nil, inRescue(vm)
		}
		vm.Number, vm.Restored, vm.Paused = vm.Number+1, s.Tag(), false
		return []string{fmt.Sprintf("~ vm %s back to snapshot %s of %s", name, snapshot, s.Created.Format(time.RFC3339))}, tx.UpdateVM(vm)
	})
}

// dropSnapshots forgets the snapshots of a disk that is made anew.
func dropSnapshots(tx *state.Tx, vm ispctl.VM) ([]string, error) {
	var said []string
	for _, s := range vm.Snapshots {
		if err := tx.DeleteSnapshot(s.ID); err != nil {
			return nil, err
		}
		if !s.Lent {
			said = append(said, fmt.Sprintf("- snapshot %s/%s", vm.Name, s.Name))
		}
	}
	return said, nil
}

// inRescue is the error of what cannot be done to a VM meanwhile.
func inRescue(vm ispctl.VM) error {
	return &ispctl.Error{
		Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", vm.Name), Cause: "is being rescued",
		Next: "end that first: ispctl vm rescue --end " + string(vm.Name),
	}
}
