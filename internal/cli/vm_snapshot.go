package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var snapshotListing = listing[operations.SnapshotView]{
	name: func(v operations.SnapshotView) string { return string(v.Name) },
	columns: []column[operations.SnapshotView]{
		{"NAME", false, func(v operations.SnapshotView) string { return string(v.Name) }},
		{"CREATED", false, func(v operations.SnapshotView) string { return v.CreatedAt.Format(time.RFC3339) }},
	},
}

func (a *app) vmSnapshot() *cobra.Command {
	return group("snapshot", "What a VM's first disk held at a time", a.vmSnapshotCreate(), a.vmSnapshotList(), a.vmSnapshotRestore(), a.vmSnapshotDelete())
}

func (a *app) vmSnapshotCreate() *cobra.Command {
	var o operations.Options
	c := &cobra.Command{
		Use: "create VM NAME", Short: "Keep what a VM's first disk holds now",
		Long: `Keep what a VM's first disk holds now, in no time and inside the disk itself.

A VM that runs goes on meanwhile: its disk is kept as a power cut would leave it, so
that what the guest has not written yet is not in it. Memory is not kept, nor are
data disks.`,
		Example: "  ispctl vm snapshot create web1 before-upgrade",
		Args:    args(2, "the name of a VM, and one for the snapshot"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			name, err := ispctl.ParseName("snapshot", given[1])
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.CreateSnapshot(c.Context(), given[0], name, o)
			return a.report(r, o, err)
		},
	}
	dryRunFlag(c, &o)
	return c
}

func (a *app) vmSnapshotList() *cobra.Command {
	return listOfVM(a, snapshotListing, (*operations.Provider).Snapshots, &cobra.Command{
		Short:   "List the snapshots of a VM, the oldest first",
		Example: "  ispctl vm snapshot list web1",
	})
}

func (a *app) vmSnapshotRestore() *cobra.Command {
	var o operations.Options
	var wait waiting
	c := &cobra.Command{
		Use: "restore VM NAME", Short: "Put a VM's first disk back to a snapshot",
		Long: `Put a VM's first disk back to a snapshot. What was written since is gone.

A VM that runs is cut off, and boots from it. Data disks, snapshots, its name,
addresses and size stay as they are now.`,
		Example: "  ispctl vm snapshot restore web1 before-upgrade --wait",
		Args:    args(2, "the name of a VM, and of its snapshot"), ValidArgsFunction: a.ofVM(snapshotNames),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			if !o.DryRun {
				if err := a.confirm(fmt.Sprintf("Put the disk of vm %s back to snapshot %s, and lose what was written since?", given[0], given[1])); err != nil {
					return err
				}
			}
			r, err := p.RestoreSnapshot(c.Context(), given[0], given[1], o)
			if err := a.report(r, o, err); err != nil || o.DryRun {
				return err
			}
			return wait.until(c.Context(), p, given[0])
		},
	}
	c.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	wait.flags(c)
	dryRunFlag(c, &o)
	return c
}

func (a *app) vmSnapshotDelete() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "delete VM NAME", Short: "Give up a snapshot of a VM",
		Example: "  ispctl vm snapshot delete web1 before-upgrade",
		Args:    args(2, "the name of a VM, and of its snapshot"), ValidArgsFunction: a.ofVM(snapshotNames),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.DeleteSnapshot(c.Context(), given[0], given[1], ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if it is not there")
	dryRunFlag(c, &o)
	return c
}

func snapshotNames(vm ispctl.VM) []string {
	return namesOf(vm.OwnSnapshots(), func(s ispctl.Snapshot) string { return string(s.Name) })
}
