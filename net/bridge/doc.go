// Package bridge is the layer of links: a bridge per zone with the host's
// gateway address on it, another for the zone's leg of the admin network, and a tap per NIC of a VM, made by us, named and
// enslaved before the hypervisor hears of it. So the network never waits for
// libvirt, and libvirt adds neither firewall nor shaping of its own.
//
// # Ownership
//
// A link is ours when it is in the installation's link group
// ([ispctl.Installation.LinkGroup]; see with `ip link show group N`). A bridge
// is given its group in the call that makes it; a tap becomes persistent only
// after it has it. So no crash leaves a link of ours without the mark. The
// alias says in words what a link is for.
//
// # Trunks
//
// A zone on a trunk has a port trunk.vlan: a link of the kernel's that takes the
// tag off what comes in and puts it on what goes out. The trunk itself becomes
// no port of anything, so that untagged frames, VLAN 1 and every VLAN that no
// zone asked for stay where they are, and others may go on using it. A zone
// with a trunk and no VLAN has a bridge that keeps VLANs apart: one such port
// for each tag that a guest has, and taps that pass their guest's tags and, as
// VLAN 4094 inside the bridge, what bears none.
//
// # Never
//
// The uplink is never enslaved: a MAC that the provider did not issue would
// leave by it.
//
// Sources: ip-link(8), ip-address(8), bridge(8), and
// https://docs.kernel.org/networking/tuntap.html.
package bridge
