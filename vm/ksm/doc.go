// Package ksm is the layer of one switch of the kernel's: whether it merges
// equal pages of programs that let it (KSM).
//
// Guests let it where their zone does, see package vm. By what time it takes to
// write to a page, a guest can tell whether another one has the same page, so
// that it is for zones whose guests trust each other.
//
// The switch is one for the host. A file of ours says that it is wanted, and whether
// it was us who turned it on; where it was on already nothing is written, and nothing
// is turned off later. One that others turn off while it is wanted is turned on
// again. An installation in a network namespace, beside the host's own, leaves it
// alone.
//
// Sources: https://docs.kernel.org/admin-guide/mm/ksm.html.
package ksm
