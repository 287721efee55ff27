package lab

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// systemFiles are what every flavour has beside packages: process 1, the
// initial RAM disk's script, the modules to load, and what puts them in place.
//
//go:embed system
var systemFiles embed.FS

// Flavour is a machine that tests can be run on.
type Flavour struct {
	Name     string
	Suite    string   // of the Debian archive
	Packages []string // beside Debian's essential ones and the kernel
	Xen      bool     `json:",omitempty"` // the machine is dom0 of the hypervisor
	Systemd  bool     `json:",omitempty"` // process 1 is systemd, as on a server
	Scenario string   `json:"-"`          // the package with what this machine is for; empty: the kernel ring
}

// tools are what kernel tests call to see what the kernel sees, and what the
// layers run. busybox is for the initial RAM disk, kmod and xz for the modules.
var tools = []string{
	"arping", "busybox-static", "ca-certificates", "conntrack", "dnsmasq-base", "e2fsprogs", "ethtool", "iperf3", "iproute2", "ipvsadm",
	"iputils-ping", "kmod", "mount", "netbase", "netcat-openbsd", "nftables", "openssh-client", "procps", "socat", "sqlite3", "wireguard-tools", "xz-utils",
}

// Debian12 is Debian 12 with its own kernel, 6.1.
func Debian12() Flavour { return Flavour{Name: "debian-12", Suite: "bookworm", Packages: tools} }

// Debian13 is Debian 13 with its own kernel, 6.12.
func Debian13() Flavour { return Flavour{Name: "debian-13", Suite: "trixie", Packages: tools} }

// Xen is Debian 12 as dom0 of its own Xen, with libvirt's driver for that.
func Xen() Flavour {
	return Flavour{Name: "xen", Suite: "bookworm", Xen: true, Scenario: "ispctl/integration/xen", Packages: slices.Concat(tools, []string{
		"bridge-utils", "libvirt-clients", "libvirt-daemon", "libvirt-daemon-driver-xen", "libvirt-daemon-system",
		"qemu-system-xen", "qemu-utils", "xen-utils-4.17", "xen-utils-common", "xenstore-utils",
	})}
}

// Systemd is Debian 12 as a server has it: systemd as process 1, AppArmor, and
// libvirt's daemon with the driver for QEMU.
func Systemd() Flavour {
	return Flavour{Name: "systemd", Suite: "bookworm", Systemd: true, Scenario: "ispctl/integration/systemd", Packages: slices.Concat(tools, []string{
		"apparmor", "dbus", "libvirt-clients", "libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-daemon-system",
		"qemu-system-x86", "qemu-utils", "systemd-sysv", "udev",
	})}
}

// Flavours are all there are.
func Flavours() []Flavour { return []Flavour{Debian12(), Debian13(), Systemd(), Xen()} }

// env is what the recipe's hook is told of the flavour: which kernel, which
// hypervisor below it, and what is process 1.
func (f Flavour) env() []string {
	switch {
	case f.Xen:
		return []string{"LAB_KERNEL=linux-image-amd64", "LAB_XEN=xen-hypervisor-4.17-amd64", "LAB_SYSTEMD="}
	case f.Systemd:
		return []string{"LAB_KERNEL=linux-image-cloud-amd64", "LAB_XEN=", "LAB_SYSTEMD=yes"}
	}
	return []string{"LAB_KERNEL=linux-image-cloud-amd64", "LAB_XEN=", "LAB_SYSTEMD="}
}

// Find finds a flavour by its name; the error lists those there are.
func Find(name string) (Flavour, error) {
	var have []string
	for _, f := range Flavours() {
		have = append(have, f.Name)
	}
	if i := slices.Index(have, name); i >= 0 {
		return Flavours()[i], nil
	}
	return Flavour{}, fmt.Errorf("flavour %q not found (have: %s)", name, strings.Join(have, ", "))
}

// hash covers what the system is made from, but the packages themselves: which
// mirror has them makes no difference, and one that is down none either. Nor does
// what is for other flavours.
func (f Flavour) hash() (string, error) {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(f); err != nil {
		return "", err
	}
	err := fs.WalkDir(systemFiles, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "xen" && !f.Xen || d.Name() == "lab.service" && !f.Systemd {
			return err
		}
		data, err := systemFiles.ReadFile(name)
		fmt.Fprintf(h, "%s %d\n%s", name, len(data), data)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// sources are the sources.list(5) lines of the flavour's release. Packages that
// none of Debian's keys has signed are refused.
func (f Flavour) sources(mirror string) []string {
	mirror = strings.TrimRight(mirror, "/")
	var lines []string
	for _, part := range []struct{ suite, tail string }{{f.Suite, ""}, {f.Suite + "-updates", ""}, {f.Suite + "-security", "-security"}} {
		lines = append(lines, fmt.Sprintf("deb [signed-by=%s] %s%s %s main", keyring, mirror, part.tail, part.suite))
	}
	return lines
}

const (
	// Archive is where packages come from unless Options.Mirror says so.
	Archive = "http://deb.debian.org/debian"
	// keyring is of the package debian-archive-keyring.
	keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
)
