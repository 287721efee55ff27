// Package cgroup is the layer of the control groups that guests' processes are
// held in: CPU time, CPUs, and weight at the disk.
//
// It is for libvirt's embedded driver, which has no control groups of its own
// without systemd. Under libvirtd, libvirt has them, and this layer none.
//
// Ours is the group ispctl-PREFIX below the root of a hierarchy
// (ispctl-PREFIX@NETNS, where that is in a namespace), and in it those whose names are numbers: the ids of VMs, which are never used again. Whose
// group it is stands in its attribute user.ispctl.vm (getfattr -d). Nothing else
// is touched, but that in version 2 the controllers are turned on for the
// children of the root, as whoever makes a group there has to.
//
// A guest's processes are known by their user, which is no other's in the
// installation's network namespace, in which we are. They enter
// their group while the guest stands still, see [Kernel.Join]; one that is found
// outside is put in by the next pass.
//
// Both versions are spoken, each controller by itself: a host may have the CPU
// controller in version 1 and an empty tree of version 2. What the host lacks
// nobody wants, see [Host.Lacks].
//
// Sources: cgroups(7), cpuset(7), cgset(1);
// https://docs.kernel.org/admin-guide/cgroup-v2.html;
// https://docs.kernel.org/scheduler/sched-bwc.html;
// https://docs.kernel.org/block/bfq-iosched.html.
package cgroup
