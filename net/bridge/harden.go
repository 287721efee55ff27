package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// sysctl is one setting of a link under /proc/sys/net/FAMILY/conf/LINK, and its
// place among those the kernel lists with the link: IPV4_DEVCONF_* of
// linux/ip.h less one, and DEVCONF_* of linux/ipv6.h.
type sysctl struct {
	family, key string
	place       int
	value       int32
}

// hardening is what keeps a guest from steering the host
// (https://docs.kernel.org/networking/ip-sysctl.html).
func hardening(kind Kind, six bool) []sysctl {
	switch {
	case kind == Tap, kind == Vif, kind == VLAN:
		return tapHardening
	case kind == VMAC:
		return vmacHardening
	case six:
		return bridgeHardening6
	}
	return bridgeHardening
}

var (
	bridgeHardening4 = []sysctl{
		{"ipv4", "arp_ignore", 18, 1},         // answer ARP for the gateway only, not for the host's other addresses
		{"ipv4", "rp_filter", 7, 1},           // no source that is not routed back here
		{"ipv4", "accept_redirects", 3, 0},    // a guest's redirect does not re-route the host
		{"ipv4", "send_redirects", 5, 0},      // nor does the host explain its routes
		{"ipv4", "accept_source_route", 8, 0}, // nor do packets choose them
	}
	bridgeHardening = slices.Concat(bridgeHardening4, []sysctl{
		{"ipv6", "disable_ipv6", 26, 1}, // no link-local address to talk to
	})
	// Whatever is about addresses comes before there can be any.
	bridgeHardening6 = slices.Concat(bridgeHardening4, []sysctl{
		{"ipv6", "accept_ra", 3, 0},            // a guest's advertisement does not re-route the host,
		{"ipv6", "autoconf", 5, 0},             // nor give it addresses
		{"ipv6", "accept_redirects", 4, 0},     // nor does a redirect
		{"ipv6", "accept_source_route", 24, 0}, // nor do packets choose their way
		{"ipv6", "accept_dad", 27, 0},          // no guest can say that the gateway's address is taken
		{"ipv6", "addr_gen_mode", 47, 1},       // no address but those we put there
		{"ipv6", "forwarding", 0, 1},
		{"ipv6", "disable_ipv6", 26, 0},
	})
	vmacHardening = []sysctl{
		{"ipv4", "arp_ignore", 18, 1},         // answer for the one address that has this MAC,
		{"ipv4", "arp_announce", 17, 2},       // and ask as nobody else
		{"ipv4", "rp_filter", 7, 2},           // answers to most sources leave by the uplink itself
		{"ipv4", "accept_redirects", 3, 0},    // the way out is the model's to say
		{"ipv4", "send_redirects", 5, 0},      // and nobody else's
		{"ipv4", "accept_source_route", 8, 0}, // nor a packet's
		{"ipv6", "disable_ipv6", 26, 1},       // no link-local address that the provider has not issued
	}
	tapHardening = []sysctl{
		{"ipv6", "disable_ipv6", 26, 1}, // the host says nothing of its own on a guest's wire
	}
)

// speaksIPv6 reports whether IPv6 is not switched off.
func speaksIPv6(all settings) bool {
	off, known := all.ipv6.at(26)
	return known && off == 0
}

func (s sysctl) path(link string) string {
	return filepath.Join("/proc/sys/net", s.family, "conf", link, s.key)
}

// text is the setting as sysctl(8) takes it; a dot inside a link's name is
// written as a slash.
func (s sysctl) text(link string) string {
	return fmt.Sprintf("net.%s.conf.%s.%s=%d", s.family, strings.ReplaceAll(link, ".", "/"), s.key, s.value)
}

// hardened reports whether every sysctl is as it should be, by what the kernel
// lists with the link: to read a file for each takes longer than all else. A
// family that the kernel does not have, as IPv6 where it is not built in, needs
// no setting.
func hardened(kind Kind, all settings) bool {
	for _, one := range hardening(kind, speaksIPv6(all)) {
		family := all.of(one.family)
		if family == nil {
			continue
		}
		if value, there := family.at(one.place); !there || value != one.value {
			return false
		}
	}
	return true
}

// groupsToFilter makes a bridge treat LLDP's group (01:80:c2:00:00:0e) as any
// other, so that its frames meet the wall like all others. Without it the
// bridge hands them to the host before netfilter is asked. The mask has a bit
// for each of the sixteen groups of IEEE 802.1Q, table 8-1; the kernel does not
// let STP's, the pauses' and LACP's be set, and those meet the wall on input.
const groupsToFilter uint16 = 1 << 0xe

func harden(l Link) error {
	for _, one := range hardening(l.Kind, l.IPv6) {
		err := os.WriteFile(one.path(l.Name), []byte(strconv.Itoa(int(one.value))), 0o644)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sysctl %s: %w", one.text(l.Name), err)
		}
	}
	return nil
}
