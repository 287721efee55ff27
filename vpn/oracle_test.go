package vpn_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/vpn"
	"ispctl/vpn/keys"
)

var wg = testkit.Feature{Name: "wg", Probe: func() error { _, err := exec.LookPath("wg"); return err }}

// TestWG has wg(8) read what was configured, by the device's socket where it is
// a process, and make of private keys the public ones that we do.
func TestWG(t *testing.T) {
	testkit.NetNS(t)
	testkit.Need(t, tunDevice, wg)
	paths := ispctl.Paths{Root: t.TempDir()}
	all, store := models(t, paths)
	// wg(8) looks for sockets at one place, so the name has to be only ours.
	own := ispctl.Installation{Prefix: fmt.Sprintf("%c%02d", 'a'+os.Getpid()%26, os.Getpid()/26%100), Hypervisor: inst.Hypervisor}
	m := *all[2]
	m.Installation = own
	want, err := vpn.Desired(store)(&m)
	check(t, err)
	k := open(t, own, paths)
	check(t, k.Apply(t.Context(), vpn.Diff(want, vpn.State{})))
	s, ok, err := k.Status(t.Context())
	check(t, err)
	if !ok || len(s.Peers) != 2 {
		t.Fatalf("status: %+v, %t", s, ok)
	}
	if s.Kind == "userspace" {
		link := filepath.Join("/var/run/wireguard", own.VPNLink()+".sock")
		check(t, os.MkdirAll(filepath.Dir(link), 0o700))
		check(t, os.Symlink(paths.VPNSocket(), link))
		t.Cleanup(func() { check(t, os.Remove(link)) })
	}
	host, err := store.Host()
	check(t, err)
	preshared, err := store.Preshared(m.VPN.Peers[0].PublicKey) // acme
	if err != nil {
		preshared, err = store.Preshared(m.VPN.Peers[1].PublicKey)
	}
	check(t, err)
	var lines []string
	lines = append(lines, strings.Join([]string{host.Private.String(), string(host.Public), "51821", "off"}, "\t"))
	for _, p := range m.VPN.Peers {
		if !p.Active() {
			continue
		}
		psk := "(none)"
		if p.Preshared {
			psk = preshared.String()
		}
		lines = append(lines, strings.Join([]string{string(p.PublicKey), psk, "(none)", p.Addr.String() + "/32", "0", "0", "0", "off"}, "\t"))
	}
	got := strings.Split(strings.TrimSpace(testkit.Sh(t, "wg", "show", own.VPNLink(), "dump")), "\n")
	slices.Sort(got)
	slices.Sort(lines)
	if !slices.Equal(got, lines) {
		t.Errorf("wg shows\n%s\nwanted\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}

	pair, err := keys.NewPair()
	check(t, err)
	cmd := exec.Command("wg", "pubkey")
	cmd.Stdin = strings.NewReader(pair.Private.String() + "\n")
	out, err := cmd.Output()
	check(t, err)
	if strings.TrimSpace(string(out)) != string(pair.Public) {
		t.Errorf("of one private key wg makes %s, and we %s", out, pair.Public)
	}
}
