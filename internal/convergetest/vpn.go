package convergetest

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"time"

	"ispctl"
)

// vpn is a VPN with a peer of each kind.
func vpn(_ ispctl.Installation, prefix string, port uint16) ispctl.VPN {
	p := netip.MustParsePrefix(prefix)
	until := time.Unix(4e9, 0).UTC()
	peer := func(n byte, name string) ispctl.Peer {
		addr := p.Addr().As4()
		addr[3] = n
		return ispctl.Peer{ID: int64(n), Name: ispctl.Name(name), Role: ispctl.OperatorPeer, PublicKey: PublicKey(n), Addr: netip.AddrFrom4(addr)}
	}
	ann, acme, old, off := peer(2, "ann"), peer(3, "acme"), peer(4, "old"), peer(5, "off")
	acme.Role, acme.Tenant, acme.Preshared = ispctl.TenantPeer, "acme", true
	acme.Expires = until
	old.Expires, old.Expired = time.Unix(1e9, 0).UTC(), true
	off.Disabled = true
	return ispctl.VPN{
		Port: port, Prefix: p, PublicKey: PublicKey(1), Services: []ispctl.Service{{Port: 2222, Proto: ispctl.TCP}},
		Peers: []ispctl.Peer{ann, acme, old, off},
	}
}

// changedVPN is another one: one peer has another key, one another address, one
// none of what it had, and some are gone and new.
func changedVPN(inst ispctl.Installation) ispctl.VPN {
	v := vpn(inst, "10.9.0.0/24", 51821)
	v.Services = nil
	v.Peers = slices.DeleteFunc(v.Peers, func(p ispctl.Peer) bool { return p.Name == "off" })
	for i := range v.Peers {
		switch p := &v.Peers[i]; p.Name {
		case "ann":
			p.PublicKey = PublicKey(12)
		case "acme":
			p.Addr, p.Preshared, p.Expires = netip.MustParseAddr("10.9.0.77"), false, time.Time{}
		case "old":
			p.Expires, p.Expired = time.Unix(4e9, 0).UTC(), false
		}
	}
	v.Peers = append(v.Peers, ispctl.Peer{ID: 9, Name: "zoe", Role: ispctl.OperatorPeer, PublicKey: PublicKey(19), Addr: netip.MustParseAddr("10.9.0.9")})
	return v
}

// PublicKey is a key for tests; no private one is known for it.
func PublicKey(n byte) ispctl.PublicKey {
	key := make([]byte, 32)
	key[0], key[15] = 9+n, n
	return ispctl.PublicKey(base64.StdEncoding.EncodeToString(key))
}
