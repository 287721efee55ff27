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
// # Never
//
// The uplink is never enslaved: a MAC that the provider did not issue would
// leave by it.
//
// Sources: ip-link(8), ip-address(8), bridge(8), and
// https://docs.kernel.org/networking/tuntap.html.
package bridge
