// Package qos is the layer of shaping: it keeps every VM to its rates, by a
// tree of HTB classes of its own on each of its taps and, for what the guest
// sends, on an interface beside the tap (an ifb) that all its frames wait in;
// and it shares out the uplink, by one more tree on it.
//
// A tap's tree has few classes, whatever the number of guests: one for the
// Internet with one more in it per flow limit, and one for the zones of this
// host. So n guests cost n times what one does, and wait for no common lock. One
// tree with a class per guest costs more than n squared to build; only the
// uplink has such a tree, for guests with a guarantee, and it serves nobody
// else.
//
// Most guests of a host with many ask for nothing but rates for the Internet. They
// wait in interfaces that they share, a queue each, see [Crowd].
//
// Which class a frame is in is said by a small program of classic BPF, one per
// tree: it runs where nftables does not yet, at the guest's end. On the uplink
// the source address is no guest's any more, so there a table of nftables says
// it while the packet is routed (meta priority).
//
// # Ownership
//
// A shaper's interface is in the link group [ispctl.Installation.ShaperGroup].
// On a tap of ours, and on the uplink, a root qdisc is ours by its handle
// ([Major]), and a filter by its preference and its handle. Another root qdisc
// stays where it is, and its tap's VM is reported.
//
// # Never late
//
// A tap carries nothing before a hypervisor has opened it. The layer comes after
// the one that makes taps and before the one that starts guests, so a tap that
// was made anew is shaped before its first frame. A fault of a VM here keeps
// its guest from being started.
//
// Sources: tc(8), tc-htb(8), tc-bpf(8), tc-tbf(8), tc-mirred(8), bpf(2), and linux/pkt_sched.h.
package qos
