// Package vm is the guests as libvirt domains: what the model wants of each,
// the XML that says so, and what separates the two. It holds no connection and
// needs no C library; vm/libvirtd is its edge.
//
// The layer owns the domains that bear its mark: an element in <metadata>,
//
//	<ispctl:vm xmlns:ispctl="https://ispctl.invalid/xmlns/1" installation="isp" id="12" name="web1"/>
//
// of this installation, on a domain of the name that goes with it. The name is
// part of the test because virt-clone(1) copies metadata: a clone is the
// operator's, and is never touched. Nor is a domain without the mark.
//
// Of a domain the layer manages what [Domain] holds; everything else (PCI
// addresses, the machine's version, what virsh edit added) is libvirt's or the
// operator's, and is neither compared nor kept when a definition is written.
//
// What the layer never does: make or move a tap, create a libvirt network, a
// storage pool or a <bandwidth>. Those would install rules and qdiscs that
// fight ours. Nor does it change a running guest: a new definition is used from
// the next start on.
//
// Sources: https://libvirt.org/formatdomain.html, virsh(1), kvm(4).
package vm
