// Package firewall is the layer of walls: zones closed to each other, the host
// closed to its guests, and the host closed on the uplink but for what is
// listed.
//
// It is one table of family inet. It judges only packets that come in or go out
// by a link of ours or come in by the uplink; everything else on the host is
// left to whoever else has rules for it. A link that bears our prefix and
// stands in no set passes nothing: what is not known is closed.
//
// An accept here ends only this table. A drop in another one stands, and a drop
// here cannot be undone by another; see "Coexistence" in the operator's guide.
//
// Ownership: the table's name. Sources: nft(8), and RFC 4890 for the ICMPv6
// that a host needs on its uplink.
package firewall
