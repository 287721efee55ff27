package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var diskListing = listing[operations.DiskView]{
	name: func(v operations.DiskView) string { return v.Name },
	columns: []column[operations.DiskView]{
		{"NAME", false, func(v operations.DiskView) string { return v.Name }},
		{"SIZE", false, func(v operations.DiskView) string { return ispctl.Size(v.Size).String() }},
		{"SERIAL", false, func(v operations.DiskView) string { return v.Serial }},
		{"FILE", true, func(v operations.DiskView) string { return v.File }},
	},
}

func (a *app) vmDisk() *cobra.Command {
	return group("disk", "The disks of a VM", a.vmDiskAdd(), a.vmDiskResize(), a.vmDiskList(), a.vmDiskRemove())
}

func (a *app) vmDiskAdd() *cobra.Command {
	var o operations.Options
	var size string
	var ifNotExists bool
	c := &cobra.Command{
		Use: "add VM NAME --size SIZE", Short: "Give a VM one more disk",
		Long: `Give a VM one more disk, empty, at once if it runs.

The guest knows it by its name, as /dev/disk/by-id/virtio-NAME. It stays when the
VM is made anew or its first disk put back to a snapshot, and goes with the VM.`,
		Example: "  ispctl vm disk add web1 data --size 20GiB",
		Args:    args(2, "the name of a VM, and one for the disk"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			name, err := ispctl.ParseName("disk", given[1])
			if err != nil {
				return err
			}
			bytes, err := ispctl.ParseSize(size)
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.AddDisk(c.Context(), given[0], name, bytes, ifNotExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&size, "size", "", "how large it is, as 20GiB")
	c.Flags().BoolVar(&ifNotExists, "if-not-exists", false, "succeed if there is one of that name")
	dryRunFlag(c, &o)
	required(c, "size")
	return c
}

func (a *app) vmDiskResize() *cobra.Command {
	var o operations.Options
	var size string
	c := &cobra.Command{
		Use: "resize VM NAME --size SIZE", Short: "Make a disk of a VM larger",
		Long: `Make a disk of a VM larger, at once if it runs. None is ever made smaller.

"system" is its first disk. A file system on a disk grows by a command in the guest
(resize2fs, xfs_growfs), or at its next boot where the image does that.`,
		Example: "  ispctl vm disk resize web1 data --size 40GiB",
		Args:    args(2, "the name of a VM, and of its disk"), ValidArgsFunction: a.ofVM(diskNames),
		RunE: func(c *cobra.Command, given []string) error {
			bytes, err := ispctl.ParseSize(size)
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.ResizeDisk(c.Context(), given[0], given[1], bytes, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&size, "size", "", "how large it is to be, as 40GiB")
	dryRunFlag(c, &o)
	required(c, "size")
	return c
}

func (a *app) vmDiskRemove() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "remove VM NAME", Short: "Take a disk off a VM, with all that is on it",
		Long: `Take a disk off a VM, with all that is on it.

A guest that runs is asked to let go of it: unmount it there first. One that does
not within half a minute keeps it until it is stopped.`,
		Example: "  ispctl vm disk remove web1 data --yes",
		Args:    args(2, "the name of a VM, and of its disk"), ValidArgsFunction: a.ofVM(diskNames),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			if !o.DryRun {
				if err := a.confirm(fmt.Sprintf("Remove disk %s of vm %s and all that is on it?", given[1], given[0])); err != nil {
					return err
				}
			}
			r, err := p.RemoveDisk(c.Context(), given[0], given[1], ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if it is not there")
	dryRunFlag(c, &o)
	return c
}

func (a *app) vmDiskList() *cobra.Command {
	return listOfVM(a, diskListing, (*operations.Provider).Disks, &cobra.Command{
		Short:   "List the disks of a VM",
		Example: "  ispctl vm disk list web1",
	})
}

// listOfVM makes `list VM` of something that a VM has.
func listOfVM[T any](
	a *app, l listing[T], all func(*operations.Provider, context.Context, string) ([]T, error), c *cobra.Command,
) *cobra.Command {
	c.Use, c.Args, c.ValidArgsFunction = "list VM", args(1, "the name of a VM"), first(a.complete(vmNames))
	c.RunE = func(c *cobra.Command, given []string) error {
		if err := a.checkFormat(); err != nil {
			return err
		}
		p, _, err := a.reader(c.Context())
		if err != nil {
			return err
		}
		objects, err := all(p, c.Context(), given[0])
		if err != nil {
			return err
		}
		return l.list(a, objects)
	}
	a.outputFlag(c)
	return c
}

// ofVM completes the name of a VM, and then of something that it has.
func (a *app) ofVM(names func(ispctl.VM) []string) completer {
	return func(c *cobra.Command, given []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch len(given) {
		case 0:
			return a.complete(vmNames)(c, given, word)
		case 1:
			return a.complete(func(m *ispctl.Model) []string {
				vm, err := m.VM(given[0])
				if err != nil {
					return nil
				}
				return names(vm)
			})(c, given, word)
		}
		return nothing(c, given, word)
	}
}

func diskNames(vm ispctl.VM) []string {
	return slices.Concat([]string{"system"}, namesOf(vm.Disks, func(d ispctl.Disk) string { return string(d.Name) }))
}
