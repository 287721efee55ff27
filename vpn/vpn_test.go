package vpn_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"ispctl"
	"ispctl/converge"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/vpn"
	"ispctl/vpn/keys"
)

var inst = ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}

// models have a host key that is there, and the preshared keys they speak of.
func models(t *testing.T, paths ispctl.Paths) (all []*ispctl.Model, store *keys.Store) {
	t.Helper()
	store = &keys.Store{Dir: paths.VPNKeys()}
	host, err := store.MakeHost()
	check(t, err)
	for _, m := range convergetest.Models(inst, paths) {
		if m.VPN.Configured() {
			m.VPN.PublicKey = host.Public
		}
		for _, p := range m.VPN.Peers {
			if p.Preshared {
				_, err := store.MakePreshared(p.PublicKey)
				check(t, err)
			}
		}
		all = append(all, m)
	}
	moved := *all[2]
	moved.VPN.Port, moved.VPN.Prefix = 51900, all[2].VPN.Prefix
	return append(all, &moved), store
}

func TestLawsOnFake(t *testing.T) {
	all, store := models(t, ispctl.Paths{Root: t.TempDir()})
	fake := &vpn.Fake{Foreign: []string{"wg0"}}
	convergetest.Laws(t, convergetest.Suite[vpn.State, vpn.Change]{
		Models: all, Desired: vpn.Desired(store), Diff: vpn.Diff, Target: fake, Foreign: fake.String,
	})
}

// TestLawsOnKernel walks with the device that this kernel has: its own, or a
// process.
func TestLawsOnKernel(t *testing.T) {
	testkit.NetNS(t)
	testkit.Need(t, tunDevice)
	paths := ispctl.Paths{Root: t.TempDir()}
	all, store := models(t, paths)
	testkit.Sh(t, "sh", "-ec", "ip link add isp-dmz type bridge; ip link add isp-0vpm type bridge; ip address add 10.77.0.1/24 dev isp-dmz; ip link set isp-dmz up")
	convergetest.Laws(t, convergetest.Suite[vpn.State, vpn.Change]{
		Models: all, Desired: vpn.Desired(store), Diff: vpn.Diff, Target: open(t, inst, paths), Passes: 16,
		Foreign: func() string {
			return testkit.Sh(t, "sh", "-ec", "ip -o link show dev isp-dmz; ip -o link show dev isp-0vpm; ip -4 -o address show dev isp-dmz; ip route show dev isp-dmz; ls "+paths.VPNKeys()) +
				read(t, store.PrivateFile())
		},
	})
}

func TestChangesAsText(t *testing.T) {
	paths := ispctl.Paths{Root: t.TempDir()}
	all, store := models(t, paths)
	var b strings.Builder
	for _, walk := range [][2]int{{0, 2}, {2, 3}, {3, 0}} {
		desired := vpn.Desired(store)
		have, err := desired(all[walk[0]])
		check(t, err)
		want, err := desired(all[walk[1]])
		check(t, err)
		for _, c := range vpn.Diff(want, have) {
			b.WriteString(c.String() + "\n")
		}
		b.WriteString("\n")
	}
	text := strings.ReplaceAll(b.String(), paths.Root, "ROOT")
	testkit.Golden(t, "changes.txt", text)
	host, err := store.Host()
	check(t, err)
	preshared, err := store.Preshared(convergetest.PublicKey(3))
	check(t, err)
	for _, secret := range []string{host.Private.String(), preshared.String()} {
		if strings.Contains(text, secret) {
			t.Error("a change says a secret")
		}
	}
}

// TestKeyIsGone: the VPN stands still, and says how to go on; no other change is
// made, and its fault is its own.
func TestKeyIsGone(t *testing.T) {
	all, store := models(t, ispctl.Paths{Root: t.TempDir()})
	check(t, os.Remove(store.PrivateFile()))
	want, err := vpn.Desired(store)(all[2])
	check(t, err)
	changes := vpn.Diff(want, vpn.State{})
	err = (&vpn.Fake{}).Apply(t.Context(), changes)
	if len(changes) != 1 || !converge.FaultsOnly(err) || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "--new-key") {
		t.Errorf("%v: %v", changes, err)
	}
	if _, err := store.MakeHost(); err != nil { // another one than peers know
		t.Fatal(err)
	}
	if want, _ = vpn.Desired(store)(all[2]); want.Fault == nil {
		t.Error("another key than the one that peers know is used")
	}
}

// TestForgetKeys: the keys of peers that are gone go, and the host's with the
// VPN.
func TestForgetKeys(t *testing.T) {
	all, store := models(t, ispctl.Paths{Root: t.TempDir()})
	check(t, store.Forget(all[2]))
	if _, err := store.Preshared(convergetest.PublicKey(3)); err != nil {
		t.Error(err)
	}
	check(t, store.Forget(all[3]))
	if _, err := store.Preshared(convergetest.PublicKey(3)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key that no peer has is kept: %v", err)
	}
	if _, err := store.Host(); err != nil {
		t.Error(err)
	}
	check(t, store.Forget(all[0]))
	if _, err := store.Host(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the host's key outlives the VPN: %v", err)
	}
}

// TestKeyFiles: only root reads them.
func TestKeyFiles(t *testing.T) {
	_, store := models(t, ispctl.Paths{Root: t.TempDir()})
	for path, mode := range map[string]os.FileMode{store.Dir: 0o700 | os.ModeDir, store.PrivateFile(): 0o600, store.PresharedFile(convergetest.PublicKey(3)): 0o600} {
		info, err := os.Stat(path)
		check(t, err)
		if info.Mode() != mode {
			t.Errorf("%s: mode %s", path, info.Mode())
		}
	}
}

func TestParsePrivate(t *testing.T) {
	for _, bad := range []string{"", "x", strings.Repeat("A", 43) + "=", "QUJD", wgtypes.Key{}.String()} {
		if _, err := keys.ParsePrivate(bad); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%q: %v", bad, err)
		}
	}
	made, err := keys.NewPair()
	check(t, err)
	if got, err := keys.ParsePrivate(made.Private.String() + "\n"); err != nil || got != made || strings.Contains(made.String(), made.Private.String()) {
		t.Errorf("%v, %v", got, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	return string(b)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
