package vpn

import (
	"context"
	"net/netip"
	"time"

	"ispctl"
)

// Status is what WireGuard knows of its device.
type Status struct {
	Kind  string // kernel, or userspace
	Peers map[ispctl.PublicKey]PeerStatus
}

// PeerStatus is what it knows of a peer.
type PeerStatus struct {
	Endpoint  netip.AddrPort // where it was last heard from; invalid: never
	Handshake time.Time      // zero: never
	Received  int64          // bytes, from the peer
	Sent      int64
}

// Status asks WireGuard. It is not there where ok is false.
func (k *Kernel) Status(context.Context) (s Status, ok bool, err error) {
	l, d, err := k.look()
	if err != nil || d == nil {
		return s, false, err
	}
	s = Status{Kind: "userspace", Peers: map[ispctl.PublicKey]PeerStatus{}}
	if l.Type() == kernelType {
		s.Kind = "kernel"
	}
	for _, p := range d.Peers {
		one := PeerStatus{Handshake: p.LastHandshakeTime, Received: p.ReceiveBytes, Sent: p.TransmitBytes}
		if p.Endpoint != nil {
			one.Endpoint = netip.AddrPortFrom(p.Endpoint.AddrPort().Addr().Unmap(), p.Endpoint.AddrPort().Port())
		}
		s.Peers[ispctl.PublicKey(p.PublicKey.String())] = one
	}
	return s, true, nil
}
