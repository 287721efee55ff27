// Package libvirtd is the edge of package vm: it drives domains through
// libvirt, and is the only package that does.
//
// libvirt's library is opened at the first use (build tag libvirt_dlopen), not
// linked: a binary runs where there is none, and says which package to install.
//
// # Where libvirt's QEMU driver runs
//
// qemu:///system is libvirtd's, as production has it. "embed" is the same driver
// inside this process, without libvirtd, in the network and mount namespaces
// this process is in; its files are below [ispctl.Paths.Embed]. Guests outlive
// the process in either case. One process at a time can embed a root: libvirt
// locks it, and a second one gets an error of kind Conflict.
//
// The embedded driver believes a /dev/kvm that opens, even where no guest can
// run on it, and then asks QEMU for its capabilities again in every process,
// for seconds. See [HideKVM].
//
// Sources: https://libvirt.org/drvqemu.html (embedded driver, qemu.conf),
// https://libvirt.org/logging.html, virsh(1), mount_namespaces(7).
package libvirtd
