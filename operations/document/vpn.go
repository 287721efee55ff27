package document

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"ispctl"
)

// VPN is the VPN, without its secrets: those are in no file of ours.
type VPN struct {
	At
	Port     uint16
	Prefix   netip.Prefix
	Endpoint string
	Services *[]ispctl.Service // nil: not mentioned
	Peers    []Peer
}

// Peer is a machine that may come in. Its private key is its own.
type Peer struct {
	At
	ispctl.Peer

	AddrGiven     bool  // false: it has one already, or gets the next
	PresharedSaid *bool // nil: not mentioned
}

type (
	outVPN struct {
		Listen   int       `yaml:"listen"`
		Prefix   string    `yaml:"prefix"`
		Endpoint string    `yaml:"endpoint,omitempty"`
		Services []string  `yaml:"services"`
		Peers    []outPeer `yaml:"peers,omitempty"`
	}
	outPeer struct {
		Name      string `yaml:"name"`
		Role      string `yaml:"role,omitempty"`
		Tenant    string `yaml:"tenant,omitempty"`
		PublicKey string `yaml:"public_key"`
		Address   string `yaml:"address"`
		Preshared bool   `yaml:"preshared"`
		Expires   string `yaml:"expires,omitempty"`
		Disabled  bool   `yaml:"disabled,omitempty"`
	}
)

func exportVPN(v ispctl.VPN) *outVPN {
	if !v.Configured() {
		return nil
	}
	out := &outVPN{Listen: int(v.Port), Prefix: v.Prefix.String(), Endpoint: v.Endpoint, Services: []string{}}
	for _, s := range v.Services {
		out.Services = append(out.Services, s.String())
	}
	for _, p := range v.Peers {
		one := outPeer{Name: string(p.Name), Tenant: string(p.Tenant), PublicKey: string(p.PublicKey), Address: p.Addr.String(), Preshared: p.Preshared, Disabled: p.Disabled}
		if p.Tenant == "" {
			one.Role = string(p.Role)
		}
		if !p.Expires.IsZero() {
			one.Expires = p.Expires.UTC().Format(time.RFC3339Nano)
		}
		out.Peers = append(out.Peers, one)
	}
	return out
}

func (p *parser) vpn(n *yaml.Node) *VPN {
	v := &VPN{At: at(n)}
	before := len(p.errs)
	p.mapping(n, fields{
		"listen": func(n *yaml.Node) { v.Port = scalar(p, n, parsePort) },
		"prefix": func(n *yaml.Node) { v.Prefix = p.prefix(n) },
		"endpoint": func(n *yaml.Node) {
			v.Endpoint = scalar(p, n, func(s string) (string, error) { return s, ispctl.ValidateEndpoint(s) })
		},
		"services": func(n *yaml.Node) { v.Services = p.services(n) },
		"peers":    func(n *yaml.Node) { p.each(n, func(n *yaml.Node) { v.Peers = append(v.Peers, p.peer(n)) }) },
	}, "listen", "prefix")
	if len(p.errs) == before {
		p.check(n, ispctl.VPN{Port: v.Port, Prefix: v.Prefix, Endpoint: v.Endpoint}.ValidateNet())
	}
	seen := map[ispctl.Name]bool{}
	for _, one := range v.Peers {
		if one.Name != "" && seen[one.Name] {
			p.errs = append(p.errs, errorAt(p.file, one.At, fmt.Errorf("peer %q is listed twice", one.Name)))
		}
		seen[one.Name] = true
	}
	return v
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port of 1 to 65535", s)
	}
	return uint16(n), nil
}

func (p *parser) peer(n *yaml.Node) Peer {
	one := Peer{At: at(n)}
	before := len(p.errs)
	p.mapping(n, fields{
		"name":       func(n *yaml.Node) { one.Name = p.name("peer", n) },
		"role":       func(n *yaml.Node) { one.Role = ispctl.PeerRole(scalar(p, n, asIs)) },
		"tenant":     func(n *yaml.Node) { one.Tenant = scalar(p, n, ispctl.ParseTenantName) },
		"public_key": func(n *yaml.Node) { one.PublicKey = scalar(p, n, ispctl.ParsePublicKey) },
		"address":    func(n *yaml.Node) { one.Addr, one.AddrGiven = p.addr(n), true },
		"preshared":  func(n *yaml.Node) { b := p.boolean(n); one.Preshared, one.PresharedSaid = b, &b },
		"expires":    func(n *yaml.Node) { one.Expires = scalar(p, n, parseExpiry) },
		"disabled":   func(n *yaml.Node) { one.Disabled = p.boolean(n) },
	}, "name", "public_key")
	if one.Role == "" {
		one.Role = ispctl.OperatorPeer
		if one.Tenant != "" {
			one.Role = ispctl.TenantPeer
		}
	}
	if len(p.errs) == before {
		p.check(n, one.Validate())
	}
	return one
}

// parseExpiry reads a moment: a document that says "in a week" would say another
// one each time it is applied.
func parseExpiry(s string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return at, fmt.Errorf("%q is no time, as 2027-06-30T12:00:00Z", s)
	}
	return at.UTC(), nil
}
