package ispctl_test

import (
	"net/netip"
	"strings"
	"testing"

	"ispctl"
)

func TestValidateInterface(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     string // of the error; empty: it is a name
	}{
		{"usual", "eth0", ""},
		{"VLAN", "eno1.100", ""},
		{"15 bytes", strings.Repeat("a", 15), ""},
		{"punctuation", "a-b_c@d", ""},
		{"empty", "", "the name is empty"},
		{"16 bytes", strings.Repeat("a", 16), "the name is 16 bytes; the kernel takes 15"},
		{"dot", ".", "the name is a directory's"},
		{"two dots", "..", "the name is a directory's"},
		{"slash", "a/b", "has a character"},
		{"colon", "eth0:1", "has a character"},
		{"space", "a b", "has a character"},
		{"new line", "a\nb", "has a character"},
		{"NUL", "a\x00", "has a character"},
		{"quote, which would end nft's", `a"b`, "has a character"},
		{"star, which nft takes for any", "eth*", "has a character"},
		{"no ASCII", "\u00e9th0", "has a character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := ispctl.ValidateInterface(tt.in)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, err, ispctl.Usage, "interface", tt.want)
		})
	}
}

func FuzzValidateInterface(f *testing.F) {
	for _, seed := range []string{"eth0", "eno1.100", ".", "..", "a/b", "a b", `a"`, "a*", "", strings.Repeat("a", 16), "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := ispctl.ValidateInterface(s)
		if err != nil {
			refused(t, err, ispctl.Usage, "interface")
			return
		}
		if len(s) > ispctl.MaxInterfaceName || strings.ContainsAny(s, "/: \t\r\n\"*\x00") {
			t.Fatalf("%q was taken", s)
		}
	})
}

func TestUplinkValidate(t *testing.T) {
	routed := ispctl.Uplink{Interface: "eth0", Kind: ispctl.Routed, Address: netip.MustParsePrefix("192.0.2.7/32"), Gateway: netip.MustParseAddr("203.0.113.1")}
	for _, tt := range []struct {
		name string
		harm func(*ispctl.Uplink)
		want string // of the error; empty: it is valid
	}{
		{"gateway outside its address", func(*ispctl.Uplink) {}, ""},
		{"none at all", func(u *ispctl.Uplink) { *u = ispctl.Uplink{} }, ""},
		{"only an interface", func(u *ispctl.Uplink) { *u = ispctl.Uplink{Interface: "eth0", Kind: ispctl.Routed} }, ""},
		{"interface that is none", func(u *ispctl.Uplink) { u.Interface = "eth 0" }, `interface "eth 0"`},
		{"kind", func(u *ispctl.Uplink) { u.Kind = "magic" }, `uplink "eth0": kind "magic" is not known; have: [routed vmac failover bridged]`},
		{"IPv6 address", func(u *ispctl.Uplink) { u.Address = netip.MustParsePrefix("2001:db8::1/64") }, "address 2001:db8::1/64 is not IPv4"},
		{"IPv6 gateway", func(u *ispctl.Uplink) { u.Gateway = netip.MustParseAddr("fe80::1") }, "gateway fe80::1 is not IPv4"},
		{"its own gateway", func(u *ispctl.Uplink) { u.Gateway = u.Address.Addr() }, "gateway 192.0.2.7 is the host's own address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := routed
			tt.harm(&u)
			err := u.Validate()
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, err, ispctl.Usage, tt.want)
		})
	}
}
