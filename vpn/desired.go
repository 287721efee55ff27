package vpn

import (
	"fmt"
	"net/netip"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"ispctl"
	"ispctl/vpn/keys"
)

// Layer is the layer's name.
const Layer = "vpn"

// MTU leaves room for WireGuard's header in an IPv6 packet of 1500 bytes.
const MTU = 1420

// State is the device, if there is one.
type State struct {
	Device *Device
	Fault  error // of a wanted one: why it cannot be
}

// Len is the number of devices and peers.
func (s State) Len() int {
	if s.Device == nil {
		return 0
	}
	return 1 + len(s.Device.Peers)
}

// Device is the link and what WireGuard knows.
type Device struct {
	Link    string
	Address netip.Prefix
	Up      bool
	MTU     int
	Port    int
	Private wgtypes.Key
	KeyDir  string // where the files of keys are
	Peers   map[wgtypes.Key]Peer
}

// Peer is one peer of the device, by its public key.
type Peer struct {
	Address   netip.Prefix // its one address, as a prefix; invalid: it has none, or several
	Preshared wgtypes.Key  // zero: none
}

// Desired is the device with the peers that are let in now. Keys are read from
// the store; one that is gone is said when the device is to be changed, so that
// it keeps nothing else of the host from being as it should.
func Desired(store *keys.Store) func(*ispctl.Model) (State, error) {
	return func(m *ispctl.Model) (State, error) {
		v := m.VPN
		if !v.Configured() {
			return State{}, nil
		}
		host, err := store.Host()
		if err == nil && host.Public != v.PublicKey {
			err = fmt.Errorf("%s is not the key that peers know", store.PrivateFile())
		}
		if err != nil {
			return State{Fault: &ispctl.Error{
				Kind: ispctl.Failed, Object: "vpn", Cause: "its private key cannot be used", Err: err,
				Next: "put the key back, or have a new one made and handed to every peer: ispctl vpn init --new-key",
			}}, nil
		}
		d := &Device{
			Link: m.Installation.VPNLink(), Address: netip.PrefixFrom(v.Gateway(), v.Prefix.Bits()), Up: true, MTU: MTU,
			Port: int(v.Port), Private: host.Private, KeyDir: store.Dir, Peers: map[wgtypes.Key]Peer{},
		}
		s := State{Device: d}
		for _, p := range v.Peers {
			if !p.Active() {
				continue
			}
			key, err := wgtypes.ParseKey(string(p.PublicKey))
			if err != nil {
				return State{}, fmt.Errorf("peer %s: %w", p.Name, err)
			}
			peer := Peer{Address: netip.PrefixFrom(p.Addr, p.Addr.BitLen())}
			if p.Preshared {
				// Without its key it cannot come in, which is what a lost one means.
				if peer.Preshared, err = store.Preshared(p.PublicKey); err != nil {
					continue
				}
			}
			d.Peers[key] = peer
		}
		return s, nil
	}
}
