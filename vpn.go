package ispctl

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// VPN is the network that operators and tenants come in by: a WireGuard device
// on the host, and a peer for each of their machines. The host's private key is
// no part of it, nor are preshared ones: those are files.
type VPN struct {
	Port      uint16       // UDP, on every address of the uplink
	Prefix    netip.Prefix // IPv4; its first address is the host's
	Endpoint  string       // name or address that peers find the host by; empty: the uplink's address
	PublicKey PublicKey    // the host's
	Services  []Service    // what the host answers tenants at its address in the VPN
	Peers     []Peer
}

// PeerRole says what a peer may reach.
type PeerRole string

// The roles.
const (
	OperatorPeer PeerRole = "operator" // every admin leg, and the host
	TenantPeer   PeerRole = "tenant"   // the admin addresses of the tenant's own VMs
)

// Peer is one machine that may come in by the VPN.
type Peer struct {
	ID        int64 // never used again
	Name      Name
	Role      PeerRole
	Tenant    Name // of a tenant's peer
	PublicKey PublicKey
	Addr      netip.Addr // its one address in the VPN
	Preshared bool       // a preshared key goes with the public one
	Disabled  bool
	Expires   time.Time // zero: never
	Expired   bool      // when the model was read
	Created   time.Time
	Applied   bool
}

// Active reports whether the peer is let in now.
func (p Peer) Active() bool { return !p.Disabled && !p.Expired }

// VPN prefixes hold the host, a peer or more, and no more than a layer is
// measured with.
const (
	minVPNBits = 16
	maxVPNBits = 30
)

// Configured reports whether there is a VPN.
func (v VPN) Configured() bool { return v.Prefix.IsValid() }

// Gateway is the host's address in the VPN.
func (v VPN) Gateway() netip.Addr { return v.Prefix.Masked().Addr().Next() }

// Holds reports whether a is an address that a peer can have.
func (v VPN) Holds(a netip.Addr) bool {
	return v.Prefix.Contains(a) && a != v.Prefix.Addr() && a != v.Gateway() && v.Prefix.Contains(a.Next())
}

// Validate checks the network by itself, without its peers.
func (v VPN) Validate() error {
	if !v.Configured() {
		return nil
	}
	if err := v.ValidateNet(); err != nil {
		return err
	}
	_, err := ParsePublicKey(string(v.PublicKey))
	return err
}

// ValidateNet is Validate without the host's key, which nobody writes down.
func (v VPN) ValidateNet() error {
	p := v.Prefix
	switch {
	case v.Port == 0:
		return Invalid("vpn", "", "listens on no port; give one of 1 to 65535")
	case !p.Addr().Is4():
		return Invalid("vpn prefix", p.String(), "is not IPv4")
	case p != p.Masked():
		return Invalid("vpn prefix", p.String(), "has host bits set; did you mean %s?", p.Masked())
	case p.Bits() < minVPNBits || p.Bits() > maxVPNBits:
		return Invalid("vpn prefix", p.String(), "the length must be %d to %d", minVPNBits, maxVPNBits)
	case !private(p):
		return Invalid("vpn prefix", p.String(), "is public; take a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10")
	}
	for _, s := range v.Services {
		if _, err := ParseService(s.String()); err != nil {
			return err
		}
	}
	return ValidateEndpoint(v.Endpoint)
}

// ValidateEndpoint checks a name or address that peers are to find the host by.
// It ends up in their configurations, where a line break would be another
// setting.
func ValidateEndpoint(host string) error {
	if host == "" {
		return nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
			return Invalid("vpn endpoint", host, "is no address that peers could reach")
		}
		return nil
	}
	const maxHost = 253
	if len(host) > maxHost {
		return Invalid("vpn endpoint", host[:maxLabel]+"...", "is longer than %d bytes", maxHost)
	}
	for label := range strings.SplitSeq(host, ".") {
		if why := hostLabelFault(label); why != "" {
			return &Error{Kind: Usage, Object: object("vpn endpoint", host), Cause: "is neither an address nor a host name: " + why, Next: "give it without a port"}
		}
	}
	return nil
}

// hostLabelFault is labelFault for names of hosts, whose labels may begin with
// a digit (RFC 1123, section 2.1) and be written in capitals.
func hostLabelFault(s string) string {
	s = strings.ToLower(s)
	if s != "" && s[0] >= '0' && s[0] <= '9' {
		s = "x" + s[1:]
	}
	return labelFault(s)
}

// Validate checks a peer by itself.
func (p Peer) Validate() error {
	name := string(p.Name)
	if _, err := ParseName("peer", name); err != nil {
		return err
	}
	switch {
	case p.Role != OperatorPeer && p.Role != TenantPeer:
		return Invalid("peer", name, "role %q is neither %s nor %s", p.Role, OperatorPeer, TenantPeer)
	case p.Role == TenantPeer && p.Tenant == "":
		return Invalid("peer", name, "is a tenant's; say whose: --tenant NAME")
	case p.Role == OperatorPeer && p.Tenant != "":
		return Invalid("peer", name, "is an operator's, and so not tenant %q's", p.Tenant)
	}
	_, err := ParsePublicKey(string(p.PublicKey))
	return err
}

// Peer finds a peer by name.
func (m *Model) Peer(name string) (Peer, error) {
	return find("peer", name, m.VPN.Peers, func(p *Peer) Name { return p.Name })
}

// validateVPN checks the VPN and its peers, against each other and all else.
func (m *Model) validateVPN() error {
	v := m.VPN
	if err := v.Validate(); err != nil {
		return err
	}
	if !v.Configured() {
		if len(v.Peers) > 0 {
			return Conflicting("vpn", "", "has %d peers", len(v.Peers))
		}
		return nil
	}
	if err := m.validateVPNPlace(); err != nil {
		return err
	}
	keys, addrs := map[PublicKey]string{v.PublicKey: "the host's own"}, map[netip.Addr]Name{}
	for _, p := range v.Peers {
		name := string(p.Name)
		if err := p.Validate(); err != nil {
			return err
		}
		if p.Role == TenantPeer {
			if _, err := m.Tenant(string(p.Tenant)); err != nil {
				return err
			}
		}
		if whose, taken := keys[p.PublicKey]; taken {
			return Conflicting("peer", name, "its public key is %s already; each machine has a key of its own", whose)
		}
		keys[p.PublicKey] = fmt.Sprintf("peer %q's", name)
		if !v.Holds(p.Addr) {
			return Conflicting("peer", name, "address %s is none that a peer can have in %s", p.Addr, v.Prefix)
		}
		if other, taken := addrs[p.Addr]; taken {
			return Conflicting("peer", name, "address %s is peer %q's", p.Addr, other)
		}
		addrs[p.Addr] = p.Name
	}
	return nil
}

// validateVPNPlace holds the VPN's prefix to overlap nothing of ours. That no
// forward takes its port is looked at with the forwards.
func (m *Model) validateVPNPlace() error {
	p := m.VPN.Prefix
	for _, z := range m.Zones {
		for _, other := range z.prefixes() {
			if p.Overlaps(other) {
				return Conflicting("vpn prefix", p.String(), "overlaps %s of zone %q", other, z.Name)
			}
		}
	}
	if m.Admin.Configured() && p.Overlaps(m.Admin.Prefix) {
		return Conflicting("vpn prefix", p.String(), "overlaps %s of the admin network", m.Admin.Prefix)
	}
	return m.clashes("vpn prefix", p.String(), p)
}

// ReachOfTenants are the admin addresses of each tenant's VMs, which its peers
// may reach, in the order of the VMs.
func (m *Model) ReachOfTenants() map[Name][]netip.Addr {
	all := map[Name][]netip.Addr{}
	for vm := range m.Guests() {
		for _, nic := range vm.AdminNICs() {
			all[vm.Tenant] = append(all[vm.Tenant], nic.Addr)
		}
	}
	return all
}

// PublicKey is a public key of WireGuard: 32 bytes in base64.
type PublicKey string

// publicKeySize is that of Curve25519.
const publicKeySize = 32

// ParsePublicKey reads one. A key has one text only, so that texts can be
// compared.
func ParsePublicKey(s string) (PublicKey, error) {
	s = strings.TrimSpace(s)
	key, err := base64.StdEncoding.Strict().DecodeString(s)
	bad := func(why string) (PublicKey, error) {
		return "", &Error{Kind: Usage, Object: "public key", Cause: why, Next: "make one on the peer's machine: wg genkey | tee key | wg pubkey"}
	}
	switch {
	case err != nil || len(key) != publicKeySize || strings.ContainsAny(s, "\r\n"):
		return bad("is not 32 bytes in base64")
	case weak(key):
		return bad("is one that everybody knows the secret of")
	}
	return PublicKey(s), nil
}

// weak reports whether a point is of a small order: whatever is multiplied with
// it is known (RFC 7748, section 6.1).
func weak(key []byte) bool {
	const top = 0x7f // the highest bit is not looked at
	k := bytes.Clone(key)
	k[publicKeySize-1] &= top
	small := [][]byte{
		make([]byte, publicKeySize),
		append([]byte{1}, make([]byte, publicKeySize-1)...),
		append([]byte{0xec}, append(bytes.Repeat([]byte{0xff}, publicKeySize-2), top)...),
		append([]byte{0xed}, append(bytes.Repeat([]byte{0xff}, publicKeySize-2), top)...),
		append([]byte{0xee}, append(bytes.Repeat([]byte{0xff}, publicKeySize-2), top)...),
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
	}
	for _, s := range small {
		if bytes.Equal(k, s) {
			return true
		}
	}
	return false
}
