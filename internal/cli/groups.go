package cli

import (
	"context"

	"ispctl"
	"ispctl/vm"
	"ispctl/vm/cgroup"
)

// groupsOf are the control groups of an installation, and what of them this
// host has: none where libvirt has its own.
func groupsOf(inst ispctl.Installation, paths ispctl.Paths) (*cgroup.Kernel, cgroup.Host, error) {
	var held cgroup.Host
	if vm.HostOf(inst).Groups {
		var err error
		if held, err = cgroup.Find(paths); err != nil {
			return nil, held, err
		}
	}
	return cgroup.New(held, inst), held, nil
}

// unheld tells which limits this host cannot hold guests to. Under libvirtd that
// is libvirt's to say, when it is asked.
func unheld(inst ispctl.Installation, paths ispctl.Paths) (func() map[string]string, error) {
	if h := vm.HostOf(inst); !h.Groups {
		return func() map[string]string { return nil }, nil
	}
	held, err := cgroup.Find(paths)
	return held.Lacks, err
}

// ready is called for a guest that stands still before its first instruction.
func ready(queues *shaping, groups *cgroup.Kernel) func(context.Context, vm.Domain) error {
	return func(ctx context.Context, d vm.Domain) error {
		if err := queues.again(ctx, d); err != nil {
			return err
		}
		return groups.Join(ctx, d.ID)
	}
}

// noSwitch reports whether the host's switch for the merging of pages is not
// ours to turn: beside the host's own installation there may be others in
// namespaces, and nothing that is run by a test driver has pages.
func noSwitch(inst ispctl.Installation) bool {
	h := vm.HostOf(inst)
	return inst.NetNS != "" || h.Type != vm.KVM && h.Type != vm.QEMU
}
