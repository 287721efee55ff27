package integration

import (
	"strings"
	"testing"
)

const onTheWire = `version: 1
addresses:
  - {address: 203.0.113.40, mac: "00:50:56:00:00:40", vm: web1, mode: wire}
zones:
  - {name: dmz, prefix: 10.10.0.0/24, egress: true}
plans:
  - {name: tiny, cpus: 1, memory: 128MiB, disk: 256MiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: tiny}
`

// TestGuestOnTheUplinksBridge has an operator's bridge for an uplink, and a
// guest that is a port of it with the MAC and the address that the provider
// issued.
func TestGuestOnTheUplinksBridge(t *testing.T) {
	w := newWorld(t, "test:///default")
	for _, argv := range [][]string{
		{"link", "add", "vmbr0", "type", "bridge"},
		{"address", "flush", "dev", "eth0"},
		{"link", "set", "eth0", "master", "vmbr0"},
		{"link", "set", "vmbr0", "up"},
		{"address", "add", host + "/24", "dev", "vmbr0"},
		{"route", "add", "default", "via", gateway, "dev", "vmbr0"},
	} {
		w.in(w.provider, append([]string{"ip"}, argv...)...)
	}
	r := w.run("init", "--netns", w.provider, "--hypervisor", "test:///default", "--uplink", "vmbr0", "--uplink-kind", "auto")
	if r.code != 0 || !strings.Contains(r.err, "uplink vmbr0: kind bridged: it is a bridge") {
		t.Fatalf("init: exit %d %s", r.code, r.err)
	}
	w.ok("image", "build", "micro")
	w.ok("apply", "-f", w.write("wired.yaml", onTheWire))
	vm := w.vm("web1")
	nic := vm.NICs[len(vm.NICs)-1]
	if nic.Role != "wire" || nic.Bridge != "vmbr0" || nic.MAC != "00:50:56:00:00:40" {
		t.Fatalf("its NIC on the wire: %+v", nic)
	}
	vm.Tap, vm.MAC, vm.Addresses = nic.Tap, nic.MAC, []string{"203.0.113.40"}
	g := w.wire(t, vm, gateway)
	guest, internet := end{"web1", g.ns, "203.0.113.40", gateway}, end{"internet", w.internet, gateway, ""}
	guest.serve(t)
	serveMirror(t, w.internet)
	if got := seenAs(t, guest.ns, ""); got != guest.addr {
		t.Errorf("the guest is seen as %q", got)
	}
	if !internet.reaches(t, guest, "tcp/80") {
		t.Error("the guest is not reached by its address")
	}
	if out := w.in(w.internet, "ip", "neighbour", "show", guest.addr); !strings.Contains(out, nic.MAC) {
		t.Errorf("the provider sees it as %s", out)
	}
	// As anybody else it says nothing.
	w.in(guest.ns, "ip", "address", "add", "203.0.113.41/24", "dev", "eth0")
	if got := seenAs(t, guest.ns, "203.0.113.41"); got != "" {
		t.Errorf("the guest speaks as a neighbour, and is seen as %s", got)
	}
	w.in(guest.ns, "ip", "link", "set", "eth0", "address", "00:50:56:00:00:41")
	if got := seenAs(t, guest.ns, guest.addr); got != "" {
		t.Error("the guest speaks with a MAC that the provider did not issue")
	}
	if master := w.in(w.provider, "ip", "-o", "link", "show", "master", "vmbr0"); strings.Count(master, "\n") != 2 || !strings.Contains(master, nic.Tap) || !strings.Contains(master, "eth0") {
		t.Errorf("ports of the operator's bridge:\n%s", master)
	}
	w.ok("address", "release", guest.addr)
	if left := w.vm("web1").NICs; left[len(left)-1].Role == "wire" {
		t.Error("the NIC is still there after its address was taken back")
	}
}
