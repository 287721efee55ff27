// Package firewall is the layer of walls: guests held to who they are, zones
// closed to each other, the host closed to its guests, and the host closed on
// the uplink but for what is listed.
//
// # Packets
//
// The table of family inet judges only packets that come in or go out by a link
// of ours or come in by the uplink; everything else on the host is left to
// whoever else has rules for it. A link that bears our prefix and stands in no
// set passes nothing: what is not known is closed. Guests ask the host for what
// their zone serves, DHCP and DNS, at its gateway there, and for nothing else.
//
// An accept here ends only this table. A drop in another one stands, and a drop
// here cannot be undone by another; see "Coexistence" in the operator's guide.
//
// # Frames
//
// The table of family bridge holds every frame that enters by a tap to who its
// NIC is, before the bridge learns anything from it. It is an allow-list: one
// chain, the same for one NIC and for ten thousand, of sentences that each
// describe something legitimate in full, and at its end the reasons why all
// else is not. A NIC adds elements (tap . MAC . address) and no rule.
//
// What passes: TCP, UDP, ICMP but for what routers say, and tunnels, from the
// NIC's address to one machine, fragments included; ARP as itself and probes
// for its own address; DHCP as a client; IGMP reports. With an IPv6 address
// also the same for IPv6, neighbour discovery about itself, router
// solicitation, MLD reports and DHCPv6 as a client, from that address and from
// the link-local one made of the MAC (EUI-64; a guest has to be told not to
// make another). Without one, nothing of IPv6 passes.
//
// A NIC on an admin leg passes TCP, UDP and ICMP to its leg's gateway, which is
// how it sees everybody who comes to it there, and ARP with it; nothing else.
//
// A NIC with opt-outs goes on through a chain of its own, where the sentences of
// all are said again of a sender who is held to less, and those that only an
// opt-out makes legitimate. A NIC with tags speaks IP in those VLANs.
//
// What comes by a trunk has a chain of its own as well: it is from no guest.
//
// What does not, beside everything forged: other VLAN tags (priority tags too), every
// other Ethernet type and every length, groups and broadcasts, IPv4 options,
// IPv6 extension headers, transports that guests have no use for, and what only
// routers, switches and servers say.
//
// Frames to 01:80:c2:00:00:0e (LLDP) reach a rule only on a bridge whose
// group_fwd_mask has bit 14 set: otherwise the bridge learns their source and
// hands them to the host before netfilter is asked.
//
// # Drops
//
// A condemned frame gets its reason as a mark, is counted by (tap . reason) in
// a table of its own, and is dropped. So the policy can be replaced in one
// transaction and no count is lost; [Drops] reads them.
//
// # Ownership and sources
//
// Tables are ours by their names. Sources: nft(8); RFC 826 and 5227 (ARP), 2131
// (DHCP), 7126 (IPv4 options), 2236 and 3376 (IGMP), 4861, 4862, 6980 and 7113
// (discovery, and how it is abused), 2710 and 3810 (MLD), 4890 (the ICMPv6 that
// a host needs on its uplink); IEEE 802.1Q, table 8-1 (groups of bridges).
package firewall
