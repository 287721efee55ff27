// Package dhcp is the layer of addresses and names: for each zone that has DHCP
// or DNS one dnsmasq(8), which knows the zone's guests and nobody else's. A
// guest that is known by its MAC is told its address; one that is not hears
// nothing. The names are VM.ZONE.internal and their reverse.
//
// The layer owns the directories of run/ispctl/dnsmasq that hold the file
// ispctl.json naming this installation and the zone, and the processes whose
// command line is the one it gives for such a directory. A process outlives
// ispctl: dnsmasq makes itself a daemon. Of which configuration it runs by, its
// command line tells, for the file is named by what is in it; what hosts it has
// read, ispctl.json tells, which is written after it was seen to read them.
//
// What the layer never does:
//
//   - keep leases. There is no lease file, and who leaves the model has his lease
//     released (RFC 2131, 4.4.6): dnsmasq would give his address to nobody else
//     for as long as it runs. For one of IPv6 the server is started over.
//   - give leases names. A guest could call itself as it likes, and its name
//     would outlive it.
//   - tag hosts (set:). dnsmasq 2.86 to 2.90 then reads freed memory at the first
//     SIGHUP after a lease (https://github.com/imp/dnsmasq/pull/20).
//   - ask others for names under .internal, whatever zone they are of, or for
//     anything where the zone has no egress. Where it has, the host's resolvers
//     are asked, those of /etc/resolv.conf.
//   - signal a process by its number alone (pidfd_open(2)).
package dhcp
