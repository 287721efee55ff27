package ispctl_test

import (
	"fmt"
	"net/netip"
	"testing"

	"ispctl"
)

func TestParseHostSource(t *testing.T) {
	for s, want := range map[string]string{
		"192.0.2.0/24": "192.0.2.0/24", "192.0.2.7": "192.0.2.7/32", "2001:db8::/32": "2001:db8::/32", "2001:db8::1": "2001:db8::1/128", "0.0.0.0/0": "0.0.0.0/0",
		"192.0.2.1/24": "", "": "", "any": "", "192.0.2.0/33": "", "::ffff:192.0.2.1": "", "fe80::1%eth0": "",
	} {
		p, err := ispctl.ParseHostSource(s)
		if want == "" && ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%q: %v, %v", s, p, err)
		}
		if want != "" && (err != nil || p.String() != want) {
			t.Errorf("%q: %v, %v", s, p, err)
		}
	}
}

func TestSortHostSources(t *testing.T) {
	var all []netip.Prefix
	for _, s := range []string{"198.51.100.0/24", "192.0.2.7/32", "192.0.2.0/24", "2001:db8::/32", "192.0.2.0/25", "198.51.100.0/24", "2001:db8:1::/48"} {
		all = append(all, netip.MustParsePrefix(s))
	}
	got := fmt.Sprint(ispctl.SortHostSources(all))
	if want := "[192.0.2.0/24 198.51.100.0/24 2001:db8::/32]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFromHostSource(t *testing.T) {
	everybody := &ispctl.Model{}
	some := &ispctl.Model{HostSources: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	for a, want := range map[string]bool{"192.0.2.9": true, "198.51.100.1": false, "2001:db8::1": false} {
		if !everybody.FromHostSource(netip.MustParseAddr(a)) || some.FromHostSource(netip.MustParseAddr(a)) != want {
			t.Errorf("%s: %t", a, !want)
		}
	}
}
