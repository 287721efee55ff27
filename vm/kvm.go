package vm

import (
	"bufio"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ispctl"
)

// HostOf is [HostFacts] of an installation, with the kind of its guests on Xen.
func HostOf(inst ispctl.Installation) Host {
	h := HostFacts(inst.Hypervisor)
	h.Kind = inst.Xen
	return h
}

// HostFacts says what domains on a libvirt URI are written for. It looks at the
// machine it runs on: "embed", "system" and qemu:/// are this one.
func HostFacts(uri string) Host {
	switch {
	case strings.HasPrefix(uri, "test:"), strings.HasPrefix(uri, "test+"):
		return Host{Type: Test}
	case strings.HasPrefix(uri, "xen:"), strings.HasPrefix(uri, "xen+"):
		return Host{Type: Xen}
	}
	h := Host{Type: QEMU, Groups: uri == "embed", CPUs: runtime.NumCPU()}
	if KVMUsable() {
		h.Type = KVM
		h.KVMGroup = groupOf(kvmDevice)
	}
	return h
}

// groupOf is the group that a file is open to, and others are not. 0: there is
// none.
func groupOf(file string) uint32 {
	const group, others = 0o060, 0o006
	var st unix.Stat_t
	if unix.Stat(file, &st) != nil || st.Mode&others == others || st.Mode&group != group {
		return 0
	}
	return st.Gid
}

// KVMUsable reports whether guests can run under hardware virtualisation. The
// device alone proves nothing: there are hosts, themselves guests, where it
// opens and no guest's kernel ever runs, since the processor they see has
// neither VMX nor SVM.
func KVMUsable() bool { return kvmUsable("/proc/cpuinfo", kvmDevice) }

// KVMMisleads reports whether /dev/kvm is there without being usable. To
// libvirt it looks usable, so libvirt probes QEMU again and again.
func KVMMisleads() bool { return kvmMisleads("/proc/cpuinfo", kvmDevice) }

const kvmDevice = "/dev/kvm"

func kvmUsable(cpuinfo, device string) bool {
	return hasVirtualisation(cpuinfo) && opens(device)
}

func kvmMisleads(cpuinfo, device string) bool {
	return !hasVirtualisation(cpuinfo) && opens(device)
}

// hasVirtualisation looks at the first processor's flags (proc(5)); the others'
// are the same.
func hasVirtualisation(cpuinfo string) bool {
	f, err := os.Open(cpuinfo)
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if strings.TrimSpace(name) == "flags" {
			flags := strings.Fields(value)
			return slices.Contains(flags, "vmx") || slices.Contains(flags, "svm")
		}
	}
	return false
}

// opens tries what libvirt and QEMU try.
func opens(device string) bool {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	return f.Close() == nil
}
