package operations

import (
	"context"
	"time"

	"ispctl"
)

// PeerView is a peer as scripts see it.
type PeerView struct {
	Name      ispctl.Name      `json:"name"`
	Role      ispctl.PeerRole  `json:"role"`
	Tenant    ispctl.Name      `json:"tenant"`
	Address   string           `json:"address"`
	State     string           `json:"state"` // active, disabled or expired
	Expires   *time.Time       `json:"expires,omitempty"`
	PublicKey ispctl.PublicKey `json:"public_key"`
	Preshared bool             `json:"preshared"`
	Reaches   []ispctl.Name    `json:"reaches"` // VMs, by their admin addresses
	Created   time.Time        `json:"created"`
}

func viewPeer(m *ispctl.Model, p ispctl.Peer) PeerView {
	v := PeerView{
		Name: p.Name, Role: p.Role, Tenant: p.Tenant, Address: p.Addr.String(), State: "active",
		PublicKey: p.PublicKey, Preshared: p.Preshared, Reaches: []ispctl.Name{}, Created: p.Created.UTC(),
	}
	if !p.Expires.IsZero() {
		at := p.Expires.UTC()
		v.Expires = &at
	}
	switch {
	case p.Disabled:
		v.State = "disabled"
	case p.Expired:
		v.State = "expired"
	default:
		for vm := range m.Guests() {
			if len(vm.AdminNICs()) > 0 && (p.Role == ispctl.OperatorPeer || vm.Tenant == p.Tenant) {
				v.Reaches = append(v.Reaches, vm.Name)
			}
		}
	}
	return v
}

// Peers lists the peers.
func (p *Provider) Peers(ctx context.Context) ([]PeerView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]PeerView, len(m.VPN.Peers))
	for i, peer := range m.VPN.Peers {
		views[i] = viewPeer(m, peer)
	}
	return views, nil
}

// Peer shows one peer.
func (p *Provider) Peer(ctx context.Context, name string) (PeerView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return PeerView{}, err
	}
	peer, err := m.Peer(name)
	if err != nil {
		return PeerView{}, err
	}
	return viewPeer(m, peer), nil
}

// VPNView is the VPN as scripts see it.
type VPNView struct {
	Interface string           `json:"interface"`
	Device    string           `json:"device"` // kernel, userspace, or empty: there is none
	Port      int              `json:"port"`
	Prefix    string           `json:"prefix"`
	Gateway   string           `json:"gateway"`
	Endpoint  string           `json:"endpoint"`
	PublicKey ispctl.PublicKey `json:"public_key"`
	Services  []string         `json:"services"`
	Peers     []PeerStatusView `json:"peers"`
}

// PeerStatusView is a peer, and what WireGuard knows of it.
type PeerStatusView struct {
	PeerView
	Endpoint  string     `json:"endpoint"` // where it was last heard from; empty: never
	Handshake *time.Time `json:"last_handshake,omitempty"`
	Received  int64      `json:"received_bytes"` // from the peer
	Sent      int64      `json:"sent_bytes"`
}

// VPNStatus shows the VPN, its device and its peers.
func (p *Provider) VPNStatus(ctx context.Context) (VPNView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return VPNView{}, err
	}
	if !m.VPN.Configured() {
		return VPNView{}, noVPN()
	}
	v := VPNView{
		Interface: m.Installation.VPNLink(), Port: int(m.VPN.Port), Prefix: m.VPN.Prefix.String(), Gateway: m.VPN.Gateway().String(),
		Endpoint: endpointOf(m), PublicKey: m.VPN.PublicKey, Services: []string{}, Peers: []PeerStatusView{},
	}
	for _, s := range m.VPN.Services {
		v.Services = append(v.Services, s.String())
	}
	var traffic VPNTraffic
	if p.VPNDevice != nil {
		if traffic, _, err = p.VPNDevice(ctx); err != nil {
			return VPNView{}, err
		}
	}
	v.Device = traffic.Kind
	for _, peer := range m.VPN.Peers {
		one := PeerStatusView{PeerView: viewPeer(m, peer)}
		if t, known := traffic.Peers[peer.PublicKey]; known {
			one.Received, one.Sent = t.Received, t.Sent
			if t.Endpoint.IsValid() {
				one.Endpoint = t.Endpoint.String()
			}
			if !t.Handshake.IsZero() {
				at := t.Handshake.UTC()
				one.Handshake = &at
			}
		}
		v.Peers = append(v.Peers, one)
	}
	return v, nil
}
