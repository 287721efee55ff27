package vpn

import (
	"fmt"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"ispctl"
	"ispctl/converge"
	"ispctl/vpn/keys"
)

// Act is what a change does.
type Act int

// The acts.
const (
	AddLink Act = iota
	SetMTU
	SetKey
	SetPort
	RemovePeer
	SetPeer
	SetAddress
	SetUp
	RemoveLink
	Refuse // say why nothing can be done
)

// Change is one act on the device.
type Change struct {
	Act    Act
	Device Device
	Key    wgtypes.Key // of a peer; a public one
	Peer   Peer
	fault  error
}

// Kind is Prune only for the whole device: a peer that is gone must go before
// another gets its address.
func (c Change) Kind() converge.Kind {
	if c.Act == RemoveLink {
		return converge.Prune
	}
	return converge.Ensure
}

// Object is what is served.
func (Change) Object() string { return "vpn" }

func (c Change) keys() *keys.Store { return &keys.Store{Dir: c.Device.KeyDir} }

// String is the command. Keys that are secret are named by the files they are
// in, as wg(8) takes them.
func (c Change) String() string {
	link := c.Device.Link
	switch c.Act {
	case AddLink:
		return "ip link add " + link + " type wireguard"
	case SetMTU:
		return fmt.Sprintf("ip link set %s mtu %d", link, c.Device.MTU)
	case SetKey:
		return fmt.Sprintf("wg set %s private-key %s", link, c.keys().PrivateFile())
	case SetPort:
		return fmt.Sprintf("wg set %s listen-port %d", link, c.Device.Port)
	case RemovePeer:
		return fmt.Sprintf("wg set %s peer %s remove", link, c.Key)
	case SetPeer:
		preshared := ""
		if c.Peer.Preshared != (wgtypes.Key{}) {
			preshared = " preshared-key " + c.keys().PresharedFile(ispctl.PublicKey(c.Key.String()))
		}
		return fmt.Sprintf("wg set %s peer %s%s allowed-ips %s", link, c.Key, preshared, c.Peer.Address)
	case SetAddress:
		return fmt.Sprintf("ip address replace %s dev %s", c.Device.Address, link)
	case SetUp:
		return "ip link set " + link + " up"
	case RemoveLink:
		return "ip link delete " + link
	}
	return "# " + c.fault.Error()
}
