package nft_test

import (
	"net/netip"
	"testing"

	"ispctl/net/nft"
)

func TestRange(t *testing.T) {
	for _, tt := range []struct{ prefix, end string }{
		{"10.10.0.0/24", "10.10.1.0"},
		{"10.10.255.0/24", "10.11.0.0"},
		{"10.255.255.0/25", "10.255.255.128"},
		{"10.255.255.128/25", "11.0.0.0"},
		{"10.0.0.0/8", "11.0.0.0"},
		{"192.0.2.7/32", "192.0.2.8"},
		{"192.0.2.255/32", "192.0.3.0"},
		{"224.0.0.0/3", ""},
		{"255.255.255.255/32", ""},
		{"0.0.0.0/0", ""},
		{"2001:db8::/64", "2001:db8:0:1::"},
		{"2001:db8:ffff:ffff::/64", "2001:db9::"},
		{"2001:db8::80/121", "2001:db8::100"},
		{"2001:db8::1/128", "2001:db8::2"},
		{"ff00::/8", ""},
	} {
		p := netip.MustParsePrefix(tt.prefix)
		key, end := nft.Range(p)
		want := ""
		if tt.end != "" {
			want = string(netip.MustParseAddr(tt.end).AsSlice())
		}
		if key != string(p.Addr().AsSlice()) || end != want {
			t.Errorf("%s: key %x, end %x, want end %x", tt.prefix, key, end, want)
		}
	}
}
