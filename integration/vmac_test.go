package integration

import (
	"os/exec"
	"strings"
	"testing"
)

const vmacs = `version: 1
addresses:
  - {address: 203.0.113.30, mac: "00:50:56:00:00:30"}
  - {address: 203.0.113.31, mac: "00:50:56:00:00:31", vm: web2, mode: one-to-one}
zones:
  - {name: dmz, prefix: 10.10.0.0/24, snat: 203.0.113.30}
  - {name: mail, prefix: 10.20.0.0/24, egress: true}
plans:
  - {name: tiny, cpus: 1, memory: 128MiB, disk: 256MiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: tiny}
  - {name: web2, template: micro, zone: dmz, plan: tiny}
  - {name: mail1, template: micro, zone: mail, plan: tiny}
forwards:
  - {listen: 203.0.113.30:22/tcp, to: "mail1:22"}
policies:
  - {from: internet, to: dmz, services: [tcp/80]}
  - {from: mail, to: dmz, services: [tcp/25]}
`

// TestAddressesWithTheirOwnMAC plays the provider of a server whose further
// addresses answer from the MAC it issued for each, and from no other.
func TestAddressesWithTheirOwnMAC(t *testing.T) {
	w := newWorld(t, "test:///default")
	w.ok("init", "--netns", w.provider, "--hypervisor", "test:///default", "--uplink", "eth0", "--uplink-kind", "vmac", "--address", host+"/24", "--gateway", gateway)
	w.ok("image", "build", "micro")
	w.ok("apply", "-f", w.write("vmac.yaml", vmacs))
	own := strings.TrimSpace(w.in(w.provider, "cat", "/sys/class/net/eth0/address"))
	// What comes with another MAC than the provider issued for its address.
	for _, rule := range []string{
		"add table netdev strict",
		"add chain netdev strict in { type filter hook ingress device inet0 priority 0; }",
		"add rule netdev strict in ip saddr 203.0.113.30 ether saddr != 00:50:56:00:00:30 counter drop",
		"add rule netdev strict in ip saddr 203.0.113.31 ether saddr != 00:50:56:00:00:31 counter drop",
		"add rule netdev strict in ip saddr " + host + " ether saddr != " + own + " counter drop",
		"add rule netdev strict in arp saddr ip 203.0.113.30 ether saddr != 00:50:56:00:00:30 counter drop",
		"add rule netdev strict in arp saddr ip 203.0.113.31 ether saddr != 00:50:56:00:00:31 counter drop",
		"add rule netdev strict in arp saddr ip " + host + " ether saddr != " + own + " counter drop",
		"add rule netdev strict in ether saddr != { " + own + ", 00:50:56:00:00:30, 00:50:56:00:00:31 } counter drop",
	} {
		w.in(w.internet, append([]string{"nft"}, rule)...)
	}
	guests := map[string]end{}
	for _, name := range []string{"web1", "web2", "mail1"} {
		vm := w.vm(name)
		router := strings.TrimSuffix(vm.Addresses[0], lastByte(vm.Addresses[0])) + "1"
		guests[name] = end{name, w.wire(t, vm, router).ns, vm.Addresses[0], router}
		guests[name].serve(t)
	}
	serveMirror(t, w.internet)
	for name, want := range map[string]string{"web1": "203.0.113.30", "web2": "203.0.113.31", "mail1": host} {
		if got := seenAs(t, guests[name].ns, ""); got != want {
			t.Errorf("%s is seen as %q, want %s", name, got, want)
		}
	}
	if got := seenAs(t, w.provider, ""); got != host {
		t.Errorf("the host is seen as %q", got)
	}
	if got := seenAs(t, w.provider, "203.0.113.30"); got != "203.0.113.30" {
		t.Errorf("the host, from an address with its own MAC, is seen as %q", got)
	}
	internet := end{"internet", w.internet, gateway, ""}
	for _, c := range []struct {
		from    end
		to      string
		service string
		want    bool
	}{
		{internet, "203.0.113.30", "tcp/22", true}, // answered by the link it came by, though mail goes out by another
		{internet, "203.0.113.30", "tcp/80", false},
		{internet, "203.0.113.31", "tcp/80", true},
		{internet, "203.0.113.31", "tcp/22", false},
		{internet, host, "icmp", true},
		{guests["mail1"], guests["web1"].addr, "tcp/25", true}, // from zone to zone as ever
		{guests["web1"], "203.0.113.31", "tcp/80", true},
		{guests["mail1"], "203.0.113.30", "tcp/22", true},
	} {
		if got := c.from.reaches(t, end{addr: c.to}, c.service); got != c.want {
			t.Errorf("%s -> %s %s: reached is %t", c.from.name, c.to, c.service, got)
		}
	}
	seen := func() string { return w.in(w.internet, "nft", "list", "table", "netdev", "strict") }
	if out := seen(); strings.Count(out, "packets 0 bytes 0") != strings.Count(out, "counter") {
		t.Errorf("the provider saw a MAC that it did not issue for the address:\n%s", out)
	}
	// Asked on the link, each is answered for with its own MAC, and by nobody
	// else on the host.
	w.in(w.internet, "ip", "neighbour", "flush", "dev", "inet0")
	for _, addr := range []string{"203.0.113.30", "203.0.113.31", host} {
		_ = exec.Command("ip", "netns", "exec", w.internet, "ping", "-n", "-q", "-c", "1", "-W", "1", addr).Run() // it need not answer
	}
	neighbours := w.in(w.internet, "ip", "neighbour")
	for _, want := range []string{"203.0.113.30 dev inet0 lladdr 00:50:56:00:00:30", "203.0.113.31 dev inet0 lladdr 00:50:56:00:00:31", host + " dev inet0 lladdr " + own} {
		if !strings.Contains(neighbours, want) {
			t.Errorf("no %q among:\n%s", want, neighbours)
		}
	}
	// A link of somebody else's on the uplink, with a MAC of its own making.
	w.in(w.provider, "ip", "link", "add", "rogue0", "link", "eth0", "address", "02:00:00:00:66:66", "type", "macvlan", "mode", "bridge")
	w.in(w.provider, "ip", "address", "add", "203.0.113.66/24", "dev", "rogue0")
	w.in(w.provider, "ip", "link", "set", "rogue0", "up")
	_ = exec.Command("ip", "netns", "exec", w.provider, "ping", "-n", "-q", "-c", "2", "-W", "0.25", "-I", "rogue0", gateway).Run()
	if out := seen(); strings.Count(out, "packets 0 bytes 0") != strings.Count(out, "counter") {
		t.Errorf("a MAC that the provider did not issue left by the uplink:\n%s", out)
	}
	gate := w.in(w.provider, "nft", "list", "chain", "netdev", "ispctl-wire", "leaving-eth0")
	if !strings.Contains(gate, "did not issue") || strings.Count(gate, "packets 0 bytes 0") == strings.Count(gate, "counter") {
		t.Errorf("the gate stopped nothing:\n%s", gate)
	}
	// Without the gate it would have.
	w.in(w.provider, "nft", "delete", "table", "netdev", "ispctl-wire")
	_ = exec.Command("ip", "netns", "exec", w.provider, "ping", "-n", "-q", "-c", "2", "-W", "0.25", "-I", "rogue0", gateway).Run()
	if out := seen(); strings.Count(out, "packets 0 bytes 0") == strings.Count(out, "counter") {
		t.Errorf("nothing was sent that could have been stopped:\n%s", out)
	}
}
