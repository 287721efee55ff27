// Package vpn is the layer of the VPN that operators and tenants come in by: a
// WireGuard device with the host's address in the VPN, and its peers.
//
// It owns one link, known by its name ([ispctl.Installation.VPNLink]) and its
// link group. What its peers may reach is the firewall's: each has one address,
// and WireGuard holds it to that one, so the walls can go by addresses.
//
// # Two kinds of device
//
// Where the kernel has WireGuard the device is the kernel's. Elsewhere it is a
// tun device and a process of its own (`ispctl vpn-device`), which outlives the
// command that started it. It keeps nothing on disk: what it is to do it is told
// by its socket, under the installation's root, in the words of WireGuard's
// cross-platform interface, and by that socket it is found again. It is ended by
// the process number that the kernel says listens there. When it dies its link
// goes with it, and the next pass starts it anew.
//
// A peer that is changed is told to the device alone: sessions of others go on.
// The device never leaves a peer's traffic to another one, since no two have an
// address in common.
//
// Secrets are in [State], and in no text: a change names the file that a key is
// in, as wg(8) wants it.
//
// Sources: wg(8), wg-quick(8), https://www.wireguard.com/xplatform/,
// unix(7) for SO_PEERCRED, tun in the kernel's documentation.
package vpn
