// Package track is the layer of open connections: those that were let through
// or translated for somebody who has no right to them any more are forgotten,
// so that who gets an address after him gets none of his packets.
//
// A firewall asks for a connection's rights once, when it is opened: what is
// established goes on, also past a policy that was denied meanwhile, and past a
// forward that was taken away. So a connection is forgotten when one of its ends is
// an address of a zone that no guest has, or when it was translated in a way
// that no zone, VM or forward has now. Its next packet is judged as a new one.
// A denied policy closes to new connections only: who may have opened one does
// not tell who opened it.
//
// It never touches a connection between others, nor one that others translate.
// It keeps nothing: the kernel's table is compared with the model in each pass.
//
// Needs nf_conntrack_netlink. Source: conntrack(8).
package track
