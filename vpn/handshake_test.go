package vpn_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/vpn"
	"ispctl/vpn/keys"
)

// TestHandshakeOfKernels: a peer with the kernel's own WireGuard comes in by the
// device that was made, is counted, and does not once it is locked out; nor does
// a stranger ever.
func TestHandshakeOfKernels(t *testing.T) {
	testkit.NetNS(t)
	testkit.Need(t, testkit.WireGuard, wg)
	paths := ispctl.Paths{Root: t.TempDir()}
	all, store := models(t, paths)
	m := *all[2]
	pair, err := keys.NewPair()
	check(t, err)
	stranger, err := keys.NewPair()
	check(t, err)
	m.VPN.Peers = []ispctl.Peer{{ID: 1, Name: "laptop", Role: ispctl.OperatorPeer, PublicKey: pair.Public, Addr: m.VPN.Gateway().Next(), Preshared: true}}
	preshared, err := store.MakePreshared(pair.Public)
	check(t, err)
	k := open(t, inst, paths)
	have, err := k.Observe(t.Context())
	check(t, err)
	apply := func() {
		t.Helper()
		want, err := vpn.Desired(store)(&m)
		check(t, err)
		check(t, k.Apply(t.Context(), vpn.Diff(want, have)))
		have, err = k.Observe(t.Context())
		check(t, err)
	}
	apply()

	// The peers' links are made here, where their sockets stay, and moved to a
	// namespace that has no other way out.
	peers := fmt.Sprintf("isptwg%d", os.Getpid())
	check(t, netns.Create(peers))
	t.Cleanup(func() { check(t, netns.Delete(peers)) })
	connect := func(link string, key keys.Pair) {
		t.Helper()
		private, psk := filepath.Join(paths.Root, link), filepath.Join(paths.Root, link+"-psk")
		check(t, os.WriteFile(private, []byte(key.Private.String()), 0o600))
		check(t, os.WriteFile(psk, []byte(preshared.String()), 0o600))
		testkit.Sh(t, "ip", "link", "add", link, "type", "wireguard")
		testkit.Sh(t, "ip", "link", "set", link, "netns", peers)
		testkit.Sh(t, "ip", "-n", peers, "address", "add", m.VPN.Gateway().Next().String()+"/24", "dev", link)
		testkit.Sh(t, "ip", "netns", "exec", peers, "wg", "set", link, "private-key", private, "peer", string(m.VPN.PublicKey),
			"preshared-key", psk, "endpoint", fmt.Sprintf("127.0.0.1:%d", m.VPN.Port), "allowed-ips", m.VPN.Prefix.String())
		testkit.Sh(t, "ip", "-n", peers, "link", "set", link, "up")
	}
	// One answer will do: a handshake begun anew takes five seconds.
	answers := func(wait string) bool {
		return exec.Command("ip", "netns", "exec", peers, "ping", "-q", "-i", "0.5", "-w", wait, "-c", "1", m.VPN.Gateway().String()).Run() == nil
	}
	status := func() (s vpn.PeerStatus) {
		t.Helper()
		all, ok, err := k.Status(t.Context())
		check(t, err)
		if !ok || all.Kind != "kernel" {
			t.Fatalf("not the kernel's device: %+v, %t", all, ok)
		}
		return all.Peers[pair.Public]
	}

	connect("wgstranger", stranger)
	if answers("3") {
		t.Error("a stranger is answered")
	}
	if s := status(); !s.Handshake.IsZero() {
		t.Errorf("a stranger has shaken hands: %+v", s)
	}
	testkit.Sh(t, "ip", "-n", peers, "link", "delete", "wgstranger")
	connect("wglaptop", pair)
	if !answers("60") {
		t.Fatalf("no answer through the VPN:\n%s", testkit.Sh(t, "wg", "show", inst.VPNLink()))
	}
	if s := status(); s.Handshake.IsZero() || s.Received == 0 || s.Sent == 0 {
		t.Errorf("after a ping: %+v", s)
	}
	m.VPN.Peers[0].Disabled = true
	apply()
	if answers("3") {
		t.Error("a peer that was locked out is answered")
	}
}
