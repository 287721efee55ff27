// Package lab runs tests on other kernels than the host's: a [Flavour] is a
// root file system made of Debian packages, with Debian's own cloud kernel, in
// QEMU, with KVM where that is usable and without where it is not. Test
// binaries go in on a disk, what they print comes out through a serial port, as
// the events of `go test -json`. In there the environment variable ISPCTL_LAB
// is set, and a kernel feature that a test needs and misses is a failure.
//
// [Run] is all of it. What is slow is done once and kept, by what it was made
// from: the file system (until its recipe changes), and without KVM the memory
// of the booted machine (until QEMU or the file system changes), from which
// the next run goes on. The machine's root file system is never written to, so
// any number of machines share it and their memories stay true.
//
// It owns the directory that [Options].CacheDir names, and nothing outside it.
// Every program it starts dies with it, even when it is killed; the directory of
// a run that was killed is removed by the next one.
//
// mmdebstrap(1), mke2fs(8), qemu-system-x86_64(1); QEMU's
// docs/interop/qmp-spec.rst and docs/devel/migration.
package lab
