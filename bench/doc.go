// Package bench measures ispctl against its goals: what a pass with nothing to
// do costs, what making a VM costs beside the guest's own start, and how both
// grow. `make bench` runs it; docs/benchmarks.md has the figures and how they
// were taken.
//
// Everything is real but, where it says so, the guests: the links, tables and
// routes are those of a network namespace, the database and the disks are
// files, and domains are defined and started on libvirt's test driver
// (test:///default), which lives inside the process.
package bench
