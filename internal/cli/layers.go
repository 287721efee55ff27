package cli

import (
	"context"
	"errors"
	"strings"

	"ispctl"
	"ispctl/converge"
	"ispctl/images"
	"ispctl/net/bridge"
	"ispctl/net/count"
	"ispctl/net/dhcp"
	"ispctl/net/firewall"
	"ispctl/net/nat"
	"ispctl/net/nft"
	"ispctl/net/route"
	"ispctl/net/track"
	"ispctl/net/wire"
	"ispctl/operations"
	"ispctl/qos"
	"ispctl/templates"
	"ispctl/vm"
	"ispctl/vm/cgroup"
	"ispctl/vm/ksm"
	"ispctl/vm/libvirtd"
	"ispctl/vpn"
	"ispctl/vpn/keys"
)

// Tunnel is what the layer of the VPN is handed: the keys, and how a process is
// started that stands in for a kernel without WireGuard.
type Tunnel struct {
	Keys  *keys.Store
	Start func(context.Context) error
}

// Layers opens all layers of an installation on this host, in the order they
// are made: the wall stands before the guest's first packet. They live in the
// caller's network namespace until they are closed.
func Layers(
	inst ispctl.Installation, paths ispctl.Paths, set templates.Set, hypervisor *libvirtd.Hypervisor, tunnel Tunnel,
) (layers []converge.Layer, closeAll func() error, err error) {
	links, errLinks := bridge.Open(inst.LinkGroup())
	wall, errWall := nft.Open(inst.Table(firewall.Layer))
	translation, errNAT := nft.Open(inst.Table(nat.Layer))
	gate, errGate := nft.Open(inst.Table(wire.Layer))
	uplinks, errLook := wire.Open()
	connections, errTrack := track.Open()
	counters, errCount := nft.Open(inst.Table(count.Layer))
	routes, errRoutes := route.Open(strings.TrimSuffix(inst.LinkPattern(), "*"))
	servers, errServers := dhcp.Open(inst, paths)
	device, errDevice := vpn.Open(inst, paths, tunnel.Start)
	marks, errMarks := nft.Open(inst.Table(qos.ClassLayer))
	shapers, errShapers := qos.Open(inst.LinkGroup(), inst.ShaperGroup())
	if err := errors.Join(errLinks, errWall, errNAT, errGate, errLook, errTrack, errCount, errRoutes, errServers, errShapers, errMarks, errDevice); err != nil {
		return nil, nil, err
	}
	shaping := &shaping{kernel: shapers}
	groups, held, errGroups := groupsOf(inst, paths)
	if errGroups != nil {
		return nil, nil, errGroups
	}
	bridges, queues := bridge.Desired, shaping.desired
	switch vm.HostOf(inst).Type {
	case vm.Test:
	case vm.Xen:
		ports := &vifs{links: links, queues: shapers}
		bridges, queues, hypervisor.Ready = ports.bridges, ports.shaped(shaping.desired), ports.ready
	default:
		hypervisor.Ready = ready(shaping, groups)
	}
	closeAll = func() error {
		links.Close()
		uplinks.Close()
		connections.Close()
		routes.Close()
		servers.Close()
		shapers.Close()
		return errors.Join(wall.Close(), translation.Close(), gate.Close(), counters.Close(), marks.Close(), device.Close())
	}
	return []converge.Layer{
		// What it removes goes last, when the walls are as they are to be and
		// guests are gone: nothing of it comes again.
		converge.NewLayer(track.Layer, track.Desired, track.Diff, connections),
		converge.NewLayer("disks", images.Desired(operations.Seed(set, operations.HostKeys{File: paths.HostKeys()})), images.Diff, &images.Kernel{
			Paths: paths, Installation: inst.Prefix, Grow: hypervisor.Grow, Snapshot: hypervisor.Snapshot, Unsnapshot: hypervisor.Unsnapshot, End: hypervisor.End,
		}),
		// Before there is any link with another MAC.
		converge.NewLayer(wire.Layer, wire.Desired(uplinks.Look), nft.Diff, gate),
		converge.NewLayer("bridge", bridges, bridge.Diff, links),
		// Before the wall opens: what is let through is counted from its first
		// packet on.
		converge.NewLayer(count.Layer, count.Desired, nft.Diff, counters),
		converge.NewLayer(firewall.Layer, firewall.Desired, nft.Diff, wall),
		// When the walls say what its peers may reach.
		converge.NewLayer(vpn.Layer, vpn.Desired(tunnel.Keys), vpn.Diff, device),
		converge.NewLayer(nat.Layer, nat.Desired, nft.Diff, translation),
		converge.NewLayer("route", route.Desired, route.Diff, routes),
		converge.NewLayer(qos.ClassLayer+".classes", qos.DesiredClasses, nft.Diff, marks),
		converge.NewLayer(qos.Layer, queues, qos.Diff, shapers),
		converge.NewLayer(dhcp.Layer, dhcp.Desired, dhcp.Diff, servers),
		// A guest that starts is put in its group before its first instruction.
		converge.NewLayer(cgroup.Layer, cgroup.Desired(held), cgroup.Diff, groups),
		converge.NewLayer(ksm.Layer, ksm.Desired(noSwitch(inst)), ksm.Diff, ksm.New("/sys", paths.Run())),
		converge.NewLayer("domains", vm.Desired(vm.HostOf(inst)), vm.Diff, hypervisor),
	}, closeAll, nil
}
