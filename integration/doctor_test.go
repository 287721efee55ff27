package integration

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"ispctl/internal/doctor"
)

// TestDoctor sets up what other tools leave on a host, one after the other, by
// the real nft, ip and sysctl, and has the doctor find it. That a guest's packets
// are really lost, and pass again after the cure, is seen by packets of the
// test's own.
func TestDoctor(t *testing.T) {
	w, web, mail := wired(t, drifting+"policies:\n  - {from: dmz, to: mail, services: [tcp/25]}\n")
	mail.serve(t)
	s := w.serve()
	s.says("changes")
	s.end(9) // what it would put back is to be found first
	sh := func(script string) { w.in(w.provider, "sh", "-ec", script) }
	for _, c := range []struct {
		name      string
		harm, end string // scripts
		check     string
		found     []string // parts of what is said
		cure      string
		fix       bool // --fix cures it
		lost      bool // packets are lost
	}{
		{name: "healthy", check: "packets"},
		{
			name: "Docker", lost: true, check: "packets",
			harm: `nft 'table ip filter { chain DOCKER-USER { }; chain DOCKER { }; chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER; oifname "docker0" jump DOCKER; }; }
				table ip nat { chain DOCKER { type nat hook prerouting priority -100; iifname != "docker0" tcp dport 8080 dnat to 172.17.0.2:80; }; }'`,
			found: []string{"policy drop of chain ip filter FORWARD"}, cure: "DOCKER-USER",
			end: "nft insert rule ip filter DOCKER-USER iifname 'isp-*' accept; nft insert rule ip filter DOCKER-USER oifname 'isp-*' accept",
		},
		{
			name: "ufw", lost: true, check: "packets",
			harm: `nft delete table ip filter; nft delete table ip nat
				nft 'table ip filter { chain ufw-reject-forward { reject; }; chain ufw-user-forward { }; chain FORWARD { type filter hook forward priority 0; policy drop; jump ufw-user-forward; jump ufw-reject-forward; }; }'`,
			found: []string{`"reject`, "chain ip filter ufw-reject-forward"}, cure: "ufw route allow in on isp-dmz",
			end: "nft add rule ip filter ufw-user-forward iifname isp-dmz accept; nft add rule ip filter ufw-user-forward oifname isp-dmz accept",
		},
		{
			name: "firewalld", lost: true, check: "packets",
			harm: `nft delete table ip filter
				nft 'table inet firewalld { chain filter_FORWARD { type filter hook forward priority 10; policy accept; ct state established,related accept; reject with icmpx admin-prohibited; }; }'`,
			found: []string{`"reject with icmpx`, "chain inet firewalld filter_FORWARD"}, cure: "firewall-cmd --permanent --zone=trusted --add-interface=isp-dmz",
			end: "nft insert rule inet firewalld filter_FORWARD iifname isp-dmz accept",
		},
		{
			name: "libvirt", lost: true, check: "packets",
			harm: `nft delete table inet firewalld
				nft 'table ip filter { chain LIBVIRT_FWI { oifname "isp-mail" reject; }; chain FORWARD { type filter hook forward priority 0; policy accept; jump LIBVIRT_FWI; }; }'`,
			found: []string{"chain ip filter LIBVIRT_FWI"}, cure: "virsh net-destroy default",
			end: "nft flush chain ip filter LIBVIRT_FWI",
		},
		{
			name: "somebody", lost: true, check: "packets",
			harm: `nft delete table ip filter
				nft 'table inet theirs { chain output { type filter hook postrouting priority 0; tcp sport 25 drop; }; }'`, // the answer
			found: []string{"tcp sport 25 drop", "chain inet theirs output"}, cure: "have whoever made it let isp-* through",
			end: "nft delete table inet theirs",
		},
		{name: "not forwarding", check: "forwarding", lost: true, harm: "sysctl -qw net.ipv4.ip_forward=0", found: []string{"net.ipv4.ip_forward is 0"}, cure: "net.ipv4.ip_forward=1", fix: true},
		{name: "flushed", check: "pending", harm: "nft flush ruleset", found: []string{"changes pending"}, cure: "ispctl converge", fix: true},
		{name: "enslaved uplink", check: "uplink", harm: "ip link add br0 type bridge; ip link set eth0 master br0", found: []string{"is a port of bridge br0"}, cure: "nomaster", end: "ip link del br0"},
		{name: "uplink down", check: "uplink", harm: "ip link set eth0 down", found: []string{"is down"}, cure: "ip link set dev eth0 up", end: "ip link set eth0 up; ip route replace default via " + gateway},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			if c.harm != "" {
				sh(c.harm)
			}
			if got := web.reaches(t, mail, "tcp/25"); got == c.lost {
				t.Fatalf("the guest's packets: arrived is %t", got)
			}
			found := w.doctor("doctor")
			named := false
			for _, f := range found {
				if f.Check != c.check {
					continue
				}
				named = true
				for _, part := range c.found {
					if !strings.Contains(f.Found, part) {
						t.Errorf("found %q, without %q", f.Found, part)
					}
				}
				if !strings.Contains(f.Cure, c.cure) || f.Safe != c.fix {
					t.Errorf("cure %q (safe: %t), want %q (%t)", f.Cure, f.Safe, c.cure, c.fix)
				}
			}
			if named != (len(c.found) > 0) {
				t.Errorf("failed: %+v", found)
			}
			if c.fix {
				if found := w.doctor("doctor", "--fix"); len(found) > 0 {
					t.Errorf("--fix: %+v", found)
				}
			}
			if c.end != "" {
				sh(c.end)
			}
			if !web.reaches(t, mail, "tcp/25") {
				t.Error("after the cure the guest's packets are lost")
			}
			if found := w.doctor("doctor"); len(found) > 0 {
				t.Errorf("cured: %+v", found)
			}
			if tables := w.in(w.provider, "nft", "list", "tables"); strings.Contains(tables, "ispctl-doctor") {
				t.Errorf("it left its table: %s", tables)
			}
		})
	}
}

// doctor runs it and reads what fails.
func (w *world) doctor(args ...string) (failed []doctor.Finding) {
	var found []doctor.Finding
	w.t.Helper()
	r := w.run(append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(r.out), &found); err != nil || len(found) == 0 {
		w.t.Fatalf("exit %d: %v\n%s%s", r.code, err, r.out, r.err)
	}
	if doctor.Ill(found) != (r.code == 1) {
		w.t.Errorf("exit %d, and found %+v", r.code, found)
	}
	// The hypervisor of these tests forgets its domains with each process.
	return slices.DeleteFunc(found, func(f doctor.Finding) bool {
		return f.State != doctor.Failed || strings.Contains(f.Found, "pending: virsh")
	})
}
