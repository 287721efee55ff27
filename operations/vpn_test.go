package operations_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"ispctl"
	"ispctl/operations"
)

// newVPN is a world with a VPN.
func newVPN(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	port, prefix := uint16(51820), netip.MustParsePrefix("10.9.0.0/29")
	w.ok(w.InitVPN(t.Context(), operations.VPNSpec{Port: &port, Prefix: &prefix}, operations.Options{}))
	return w
}

// peers are what the device knows, by address.
func (w *world) peers() map[string]string {
	all := map[string]string{}
	for key, p := range w.tunnel.Device.Peers {
		all[p.Address.Addr().String()] = key.String()
	}
	return all
}

// TestPeersLife adds, shuts out, lets in, rotates and removes peers, and looks at
// the device after each.
func TestPeersLife(t *testing.T) {
	w, ctx := newVPN(t), t.Context()
	if d := w.tunnel.Device; d == nil || !d.Up || d.Port != 51820 || d.Address != netip.MustParsePrefix("10.9.0.1/29") {
		t.Fatalf("device: %+v", d)
	}
	r, first, err := w.AddPeer(ctx, operations.PeerSpec{Name: "ann", Role: ispctl.OperatorPeer, Preshared: true}, false, operations.Options{})
	w.ok(r, err)
	private, err := wgtypes.ParseKey(first.PrivateKey)
	if err != nil || w.peers()["10.9.0.2"] != private.PublicKey().String() {
		t.Fatalf("device has %v, the configuration another key: %v", w.peers(), err)
	}
	if _, _, err := w.AddPeer(ctx, operations.PeerSpec{Name: "ann", Role: ispctl.OperatorPeer}, true, operations.Options{}); err != nil {
		t.Errorf("again, if it does not exist: %v", err)
	}
	w.ok(w.EnablePeer(ctx, "ann", false, operations.Options{}))
	if len(w.peers()) != 0 {
		t.Errorf("disabled: %v", w.peers())
	}
	w.ok(w.EnablePeer(ctx, "ann", true, operations.Options{}))
	r, second, err := w.RotatePeer(ctx, "ann", "", operations.Options{})
	w.ok(r, err)
	if second.PrivateKey == first.PrivateKey || second.PresharedKey == first.PresharedKey || second.PresharedKey == "" || len(w.peers()) != 1 {
		t.Errorf("rotated: %v", w.peers())
	}
	if files, _ := filepath.Glob(filepath.Join(w.VPNKeys.Dir, "*")); len(files) != 2 { // the host's, and one preshared
		t.Errorf("keys: %v", files)
	}
	own, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	r, third, err := w.RotatePeer(ctx, "ann", ispctl.PublicKey(own.PublicKey().String()), operations.Options{})
	w.ok(r, err)
	if third.PrivateKey != "" || w.peers()["10.9.0.2"] != own.PublicKey().String() {
		t.Errorf("its own key: %v", w.peers())
	}
	w.ok(w.RemovePeer(ctx, "ann", false, operations.Options{}))
	w.ok(w.RemoveVPN(ctx, false, operations.Options{}))
	if files, _ := filepath.Glob(filepath.Join(w.VPNKeys.Dir, "*")); len(files) != 0 || w.tunnel.Device != nil {
		t.Errorf("left: %v, %+v", files, w.tunnel.Device)
	}
	for _, secret := range []string{first.PrivateKey, first.PresharedKey, second.PrivateKey, second.PresharedKey, third.PresharedKey} {
		w.holdsNo(t, secret)
	}
}

// holdsNo looks for a secret in every file under the root.
func (w *world) holdsNo(t *testing.T, secret string) {
	t.Helper()
	err := filepath.WalkDir(w.Paths.Root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), secret) {
			t.Errorf("%s holds a secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestAddressesOfPeers are given once, and again when they are free.
func TestAddressesOfPeers(t *testing.T) {
	w, ctx := newVPN(t), t.Context()
	add := func(name string) error {
		_, _, err := w.AddPeer(ctx, operations.PeerSpec{Name: ispctl.Name(name), Role: ispctl.OperatorPeer}, false, operations.Options{})
		return err
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		if err := add(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := add("f"); ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), "all addresses") {
		t.Errorf("a sixth peer in a net of five: %v", err)
	}
	w.ok(w.RemovePeer(ctx, "c", false, operations.Options{}))
	if err := add("f"); err != nil {
		t.Fatal(err)
	}
	if p, err := w.Peer(ctx, "f"); err != nil || p.Address != "10.9.0.4" {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestExpiredPeer leaves the device at the next pass, and cannot be let in by
// enabling it.
func TestExpiredPeer(t *testing.T) {
	w, ctx := newVPN(t), t.Context()
	r, _, err := w.AddPeer(ctx, operations.PeerSpec{Name: "eve", Role: ispctl.OperatorPeer, Expires: time.Now().Add(time.Hour)}, false, operations.Options{})
	w.ok(r, err)
	w.ok(w.ExpirePeer(ctx, "eve", time.Now().Add(-time.Second), operations.Options{}))
	if p, err := w.Peer(ctx, "eve"); err != nil || p.State != "expired" || len(p.Reaches) != 0 || len(w.peers()) != 0 {
		t.Errorf("%+v, %v, device %v", p, err, w.peers())
	}
	if _, err := w.EnablePeer(ctx, "eve", true, operations.Options{}); ispctl.KindOf(err) != ispctl.Conflict {
		t.Errorf("enabled: %v", err)
	}
	w.ok(w.ExpirePeer(ctx, "eve", time.Time{}, operations.Options{}))
	if len(w.peers()) != 1 {
		t.Errorf("let in again: %v", w.peers())
	}
}

// TestHostKeyIsGone: nothing of the VPN is changed by chance, and the way out
// works.
func TestHostKeyIsGone(t *testing.T) {
	w, ctx := newVPN(t), t.Context()
	before := w.tunnel.Device.Private
	if err := os.Remove(w.VPNKeys.PrivateFile()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.InitVPN(ctx, operations.VPNSpec{}, operations.Options{}); err == nil || !strings.Contains(err.Error(), "--new-key") {
		t.Errorf("init makes another key by itself: %v", err)
	}
	w.ok(w.InitVPN(ctx, operations.VPNSpec{NewKey: true}, operations.Options{}))
	if w.tunnel.Device.Private == before {
		t.Error("the key is the old one")
	}
	if _, err := w.VPNKeys.Host(); err != nil || errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
