package bridge_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/net/bridge"
)

// TestNeighboursGoWithTheirTap: the host does not remember a guest's MAC when
// the guest is gone, and keeps what it knows of the others and of foreign links.
func TestNeighboursGoWithTheirTap(t *testing.T) {
	testkit.NetNS(t)
	k := open(t)
	m := models()[2]
	vms := slices.DeleteFunc(slices.Collect(m.Guests()), func(vm ispctl.VM) bool { return vm.Zone != "dmz" })
	converge(t, k, m)
	// A second one, as another VM's tap in that zone is.
	second := bridge.Link{Name: "isp-99-0", Kind: bridge.Tap, Alias: "vm late nic 0", Master: "isp-dmz", MTU: 1500, Up: true}
	if err := k.Apply(t.Context(), []bridge.Change{{Act: bridge.Add, Link: second}}); err != nil {
		t.Fatal(err)
	}
	testkit.Sh(t, "ip", "link", "set", second.Name, "master", "isp-dmz", "up")
	taps := []string{vms[0].NICs[0].Tap, second.Name}
	testkit.Sh(t, "ip", "link", "add", "other", "type", "bridge")
	testkit.Sh(t, "ip", "link", "set", "other", "up")
	know := func(addr, mac, dev string, more ...string) {
		t.Helper()
		testkit.Sh(t, append([]string{"ip", "neigh", "replace", addr, "lladdr", mac, "dev", dev}, more...)...)
	}
	for i, tap := range taps {
		plugIn(t, tap)
		mac := []string{"02:00:00:00:00:01", "02:00:00:00:00:02"}[i]
		testkit.Sh(t, "bridge", "fdb", "replace", mac, "dev", tap, "master", "dynamic")
		know([]string{"10.10.0.201", "10.10.0.202"}[i], mac, "isp-dmz", "nud", "stale")
		know([]string{"2001:db8:10::201", "2001:db8:10::202"}[i], mac, "isp-dmz", "nud", "reachable")
	}
	know("10.10.0.203", "02:00:00:00:00:03", "isp-dmz", "nud", "stale") // not heard for long
	know("10.10.0.204", "02:00:00:00:00:01", "isp-dmz", "nud", "permanent")
	know("192.0.2.7", "02:00:00:00:00:01", "other", "nud", "stale")
	gone := bridge.Change{Act: bridge.Remove, Link: bridge.Link{Name: taps[0], Kind: bridge.Tap}}
	if err := k.Apply(t.Context(), []bridge.Change{gone, gone}); err != nil {
		t.Fatal(err)
	}
	have := testkit.Sh(t, "ip", "neigh") + testkit.Sh(t, "ip", "-6", "neigh")
	for addr, want := range map[string]bool{
		"10.10.0.201 ": false, "2001:db8:10::201 ": false, "10.10.0.203 ": false,
		"10.10.0.202 ": true, "2001:db8:10::202 ": true, "10.10.0.204 ": true, "192.0.2.7 ": true,
	} {
		if strings.Contains(have, addr) != want {
			t.Errorf("%s is there: %v, want %v, in\n%s", addr, !want, want, have)
		}
	}
}

// plugIn opens a tap as a guest's process does: without, its port learns nothing.
func plugIn(t *testing.T, name string) {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		t.Fatal(err)
	}
}
