package vpn

import (
	"bytes"
	"slices"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Diff is what makes have into want: the link first, then what WireGuard is to
// know, then its address, and that it is up.
func Diff(want, have State) []Change {
	if want.Fault != nil {
		return []Change{{Act: Refuse, fault: want.Fault}}
	}
	w, h := want.Device, have.Device
	switch {
	case w == nil && h == nil:
		return nil
	case w == nil:
		return []Change{{Act: RemoveLink, Device: *h}}
	}
	var changes []Change
	say := func(c Change) {
		c.Device = *w
		changes = append(changes, c)
	}
	if h == nil {
		say(Change{Act: AddLink})
		h = &Device{Link: w.Link, MTU: w.MTU}
	}
	if h.MTU != w.MTU {
		say(Change{Act: SetMTU})
	}
	if h.Private != w.Private {
		say(Change{Act: SetKey})
	}
	if h.Port != w.Port {
		say(Change{Act: SetPort})
	}
	// An address has one peer at a time: who loses it comes before who gets it.
	for _, key := range sortedKeys(h.Peers) {
		if _, wanted := w.Peers[key]; !wanted {
			say(Change{Act: RemovePeer, Key: key, Peer: h.Peers[key]})
		}
	}
	for _, key := range sortedKeys(w.Peers) {
		have, there := h.Peers[key]
		if peer := w.Peers[key]; !there || have != peer {
			say(Change{Act: SetPeer, Key: key, Peer: peer})
		}
	}
	if h.Address != w.Address {
		say(Change{Act: SetAddress})
	}
	if h.Up != w.Up {
		say(Change{Act: SetUp})
	}
	return changes
}

func sortedKeys(peers map[wgtypes.Key]Peer) []wgtypes.Key {
	all := make([]wgtypes.Key, 0, len(peers))
	for key := range peers {
		all = append(all, key)
	}
	slices.SortFunc(all, func(a, b wgtypes.Key) int { return bytes.Compare(a[:], b[:]) })
	return all
}
