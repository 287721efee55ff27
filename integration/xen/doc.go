// Package xen has the scenario of guests on Xen, from `ispctl init` to the last
// trace of a guest. It runs where ispctl would: in dom0, on the host's own network,
// which is the reason why it runs in the lab alone (integration/lab, flavour xen).
package xen
