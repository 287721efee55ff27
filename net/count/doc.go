// Package count is the layer of counters: how much every NIC of every guest,
// and every external address, has sent and received, by where the other end
// is.
//
// It is tables of its own, which nothing else is in: a change of the walls, of
// translation or of the guests replaces none of them, and no count is lost. A
// counter is an element of a dynamic set, put in by the first packet. It goes
// when its NIC or address goes.
//
// # What is counted
//
// The table of family bridge counts frames at the taps. Out is what a guest
// sent and the wall let through; in is what was handed to the guest's tap,
// before a shaper that may drop some of it. The other end of a frame is
//
//   - the Internet, when it comes from or goes to the gateway's Ethernet
//     address and the other IP address is neither in a zone nor an external
//     address of ours;
//   - another zone, when it does so and that address is one of these;
//   - near: the guest's own zone and the host itself (DHCP, DNS, ARP).
//
// A guest that reaches a forward from inside is seen by the other one as the
// gateway (hairpin): it counts as another zone where it is sent, and as near
// where it is received.
//
// The table of family inet counts packets on the uplink, by external address:
// before translation on their way in, after it on their way out.
//
// # Bytes
//
// nftables counts from the network header on. [Read] adds the Ethernet header
// of 14 bytes to each packet, so that its bytes are those of the link, as
// `ip -s link` counts them: without preamble and checksum. What the kernel
// carries as one packet counts as one: a guest with segmentation offload hands
// over up to 64 KiB under one header, and `ip -s link` says the same.
//
// Ownership: the tables' names. Sources: nft(8); linux/netfilter_bridge.h for
// the order of hooks; docs/guide.md has the definition in an operator's words.
package count
