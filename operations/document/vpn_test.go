package document_test

import (
	"encoding/base64"
	"net/netip"
	"time"

	"pgregory.net/rapid"

	"ispctl"
)

func drawVPN(t *rapid.T, tenants []string) ispctl.VPN {
	v := ispctl.VPN{
		Port: rapid.Uint16Range(1, 65535).Draw(t, "vpn port"), Prefix: netip.MustParsePrefix("10.9.0.0/24"),
		Endpoint: rapid.SampledFrom([]string{"", "vpn.example.com", "198.51.100.9", "2001:db8::9", "no", "1e3"}).Draw(t, "endpoint"),
	}
	if rapid.Bool().Draw(t, "vpn services") {
		v.Services = []ispctl.Service{{Proto: ispctl.TCP, Port: rapid.Uint16Range(1, 65535).Draw(t, "service")}}
	}
	for i, name := range rapid.SliceOfNDistinct(names, 0, 3, rapid.ID).Draw(t, "peers") {
		p := ispctl.Peer{
			Name: ispctl.Name(name), Role: ispctl.OperatorPeer, Addr: netip.AddrFrom4([4]byte{10, 9, 0, byte(2 + i)}),
			PublicKey: ispctl.PublicKey(base64.StdEncoding.EncodeToString(append([]byte{9, byte(i)}, rapid.SliceOfN(rapid.Byte(), 30, 30).Draw(t, "key")...))),
			Preshared: rapid.Bool().Draw(t, "preshared"), Disabled: rapid.Bool().Draw(t, "disabled"),
		}
		if len(tenants) > 0 && rapid.Bool().Draw(t, "tenant's") {
			p.Role, p.Tenant = ispctl.TenantPeer, ispctl.Name(tenants[0])
		}
		if rapid.Bool().Draw(t, "expires") {
			p.Expires = time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), 0).UTC()
		}
		v.Peers = append(v.Peers, p)
	}
	return v
}
