package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sysctl is one setting of a link under /proc/sys/net/FAMILY/conf/LINK.
type sysctl struct{ family, key, value string }

// hardening is what keeps a guest from steering the host
// (https://docs.kernel.org/networking/ip-sysctl.html).
var hardening = map[Kind][]sysctl{
	Bridge: {
		{"ipv4", "arp_ignore", "1"},          // answer ARP for the gateway only, not for the host's other addresses
		{"ipv4", "rp_filter", "1"},           // no source that is not routed back here
		{"ipv4", "accept_redirects", "0"},    // a guest's redirect does not re-route the host
		{"ipv4", "send_redirects", "0"},      // nor does the host explain its routes
		{"ipv4", "accept_source_route", "0"}, // nor do packets choose them
		{"ipv6", "disable_ipv6", "1"},        // no link-local address to talk to
	},
	Tap: {
		{"ipv6", "disable_ipv6", "1"}, // the host says nothing of its own on a guest's wire
	},
}

func (s sysctl) path(link string) string {
	return filepath.Join("/proc/sys/net", s.family, "conf", link, s.key)
}

// name is the sysctl(8) name; a dot inside a link's name is written as a slash.
func (s sysctl) name(link string) string {
	return fmt.Sprintf("net.%s.conf.%s.%s", s.family, strings.ReplaceAll(link, ".", "/"), s.key)
}

// hardened reports whether every sysctl is as it should be. One the kernel does
// not have, as those of IPv6 where it is not built in, needs no setting.
func hardened(l Link) bool {
	for _, one := range hardening[l.Kind] {
		got, err := os.ReadFile(one.path(l.Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || strings.TrimSpace(string(got)) != one.value {
			return false
		}
	}
	return true
}

func harden(l Link) error {
	for _, one := range hardening[l.Kind] {
		err := os.WriteFile(one.path(l.Name), []byte(one.value), 0o644)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sysctl %s: %w", one.name(l.Name), err)
		}
	}
	return nil
}
