// Package drift tells at once when something of ours was changed on the host, by
// whomever: it listens to what the kernel says of nftables and of links,
// addresses, routes, shapers and forwarding in the network namespace it is
// opened in. It changes nothing, and does not say what is to be done: an event
// is a reason to look, no more.
//
// Our own changes are events, too. To look once more after each is cheaper than
// to know whose it was, and finds what a command that was killed left half done.
//
// Sources: nft-monitor in nft(8), linux/netfilter/nf_tables.h,
// linux/netfilter/nfnetlink.h; rtnetlink(7), linux/rtnetlink.h.
package drift
