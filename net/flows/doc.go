// Package flows reads what connections carry: those that live, in a dump, and
// each that ends, as the kernel tells of it (NFNLGRP_CONNTRACK_DESTROY). It is
// no layer: it changes nothing on the host but one sysctl, by which connections
// are counted at all.
//
// Bytes are those of the link, as everywhere: the kernel counts from the network
// header on, and to each packet the Ethernet header of 14 bytes is added.
//
// A socket that nobody reads fast enough loses events, and says so (ENOBUFS):
// what has ended meanwhile is unknown, and whoever listens has to look at all
// connections anew.
//
// Needs nf_conntrack_netlink. Sources: conntrack(8); the sysctls of nf_conntrack
// in the kernel's documentation.
package flows
