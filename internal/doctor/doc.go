// Package doctor finds what on a host defeats us though all of ours is in place:
// rules of other tools, settings that were changed, a machine that cannot do
// what is asked of it. Its checks are a table. Where packets are concerned it
// does not guess: it sends one, and when that is lost it asks nftables by a
// trace which rule took it.
//
// It reads what is others'. It writes nothing but, for the time of a trace, one
// table of its own.
//
// Sources: nft(8), "monitor trace"; linux/netfilter/nf_tables.h;
// https://docs.docker.com/engine/network/packet-filtering-firewalls/;
// https://libvirt.org/firewall.html; ufw-framework(8); firewalld.policies(5);
// https://docs.kernel.org/networking/ip-sysctl.html.
package doctor
