package integration

import (
	"strings"
	"testing"

	"ispctl/operations"
)

// TestZoneCheckProbes asks for a packet beside each answer: where the rules
// stand alone both say the same, and where another tool's rule is in the way
// the packet tells.
func TestZoneCheckProbes(t *testing.T) {
	w := newWorld(t, "test:///default")
	w.ok("image", "build", "micro")
	w.ok("apply", "-f", w.write("walls.yaml", walls))
	for _, tt := range []struct {
		from, to, service string
		want              bool
		how               string // what the answer says of the packet
	}{
		{"dmz", "mail", "tcp/25", true, "10.10.0.254 to 10.20.0.254"},
		{"dmz", "mail", "icmp", true, ""},
		{"dmz", "mail", "udp/25", false, ""},
		{"mail", "dmz", "tcp/25", false, ""},
		{"mail", "internet", "tcp/25", true, "as " + host},
		{"mail", "internet", "udp/53", true, "as " + host},
		{"mail", "internet", "icmp", false, ""},
		{"dmz", "internet", "tcp/443", true, "as " + external},
		{"dmz", "host", "udp/53", true, "10.10.0.254 to 10.10.0.1"},
		{"dmz", "host", "tcp/22", false, ""},
		{"internet", "host", "tcp/22", true, "rehearsed"},
		{"internet", "host", "tcp/23", false, "rehearsed"},
		{"internet", "dmz", "tcp/25", false, "rehearsed"},
		{"host", "mail", "tcp/80", true, "the host to 10.20.0.254"},
	} {
		t.Run(tt.from+" to "+tt.to+" "+tt.service, func(t *testing.T) {
			var v operations.CheckView
			w.show(&v, "zone", "check", tt.from, tt.to, tt.service, "--probe")
			if v.Allowed != tt.want || v.Probe == nil || v.Probe.Reached != tt.want {
				t.Fatalf("%+v, %+v", v, v.Probe)
			}
			if said := v.Probe.Detail; v.Probe.Rehearsed != (tt.how == "rehearsed") || !v.Probe.Rehearsed && !strings.Contains(said, tt.how) {
				t.Errorf("%+v", v.Probe)
			}
		})
	}
	if left := w.in(w.provider, "ip", "-o", "link"); strings.Contains(left, "probe-") {
		t.Errorf("links are left:\n%s", left)
	}
	t.Run("another tool stands in the way", func(t *testing.T) {
		w.in(w.provider, "nft", "add table inet other; add chain inet other forward { type filter hook forward priority 10; policy drop; }")
		r := w.run("zone", "check", "dmz", "mail", "tcp/25", "--probe")
		if r.code != 1 || !strings.Contains(r.err, "did not come through") || !strings.Contains(r.out, "silence") {
			t.Errorf("%+v", r)
		}
		w.in(w.provider, "nft", "delete table inet other")
	})
	t.Run("a rule of ours is gone", func(t *testing.T) {
		w.in(w.provider, "nft", "delete", "table", "inet", "ispctl-firewall")
		if r := w.run("zone", "check", "mail", "dmz", "tcp/25", "--probe"); r.code != 1 || !strings.Contains(r.err, "came through") {
			t.Errorf("%+v", r)
		}
		w.ok("converge")
	})
	w.fails(2, "the same", "zone", "check", "dmz", "dmz", "tcp/25", "--probe")
}
