// Package route is the layer of forwarding: the sysctls that make the host a
// router, and a local route for each external address, so that packets for it
// end here and not back at the provider.
//
// # Ownership
//
// Routes of ours bear the protocol number [Protocol] (`ip route show table
// local proto 73`). The sysctls have no owner: they are set where they differ
// and never set back, since who else relies on them cannot be known.
//
// A local route rather than an address on the uplink: nothing that configures
// the host's own addresses sees it or takes it away, ARP on the uplink is
// answered for it all the same, and it has a mark.
//
// Sources: ip-route(8), https://docs.kernel.org/networking/ip-sysctl.html.
package route
