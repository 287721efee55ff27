package operations_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ispctl"
	"ispctl/operations"
	"ispctl/state"
)

// declare declares the host of newWorld anew, with an admin network.
func (w *world) declare(a operations.AdminSpec, o options) (operations.Result, error) {
	w.t.Helper()
	m := w.model()
	return w.DeclareHost(w.t.Context(), operations.Declaration{Uplink: m.Uplink, Services: m.HostServices, Admin: a}, o)
}

func pool(s string) *netip.Prefix {
	if s == "none" {
		return &netip.Prefix{}
	}
	p := netip.MustParsePrefix(s)
	return &p
}

// TestAdminNetwork: zones get legs, VMs a NIC there, and all of it goes again.
func TestAdminNetwork(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.create("old")
	ntp := []ispctl.Service{{Port: 123, Proto: ispctl.UDP}}
	links := []string{"wg0", "adm0", "wg0"}
	r := w.ok(w.declare(operations.AdminSpec{Prefix: pool("10.255.0.0/16"), Links: &links, Services: &ntp}, options{}))
	want := []string{
		"~ admin network prefix none -> 10.255.0.0/16, links none -> adm0,wg0, services none -> 123/udp",
		"+ leg 10.255.0.0/24 of zone dmz", "+ leg 10.255.1.0/24 of zone mail",
	}
	if !slices.Equal(r.Intent, want) {
		t.Errorf("want %q, have %q", want, r.Intent)
	}
	for _, command := range []string{
		"ip link add name isp-_dmz ", "ip address add 10.255.0.1/24 dev isp-_dmz",
		`nft add element inet ispctl-firewall operators { "adm0", "wg0" }`, `"isp-_dmz" . 10.255.0.1 . udp . 123`,
	} {
		if !strings.Contains(commands(r), command) {
			t.Errorf("no %q in\n%s", command, commands(r))
		}
	}
	if r := w.ok(w.declare(operations.AdminSpec{Default: true}, options{})); len(r.Intent) > 0 {
		t.Errorf("declared again: %q", r.Intent)
	}
	r = w.ok(w.CreateZone(ctx, ispctl.Zone{Name: "lab", Prefix: netip.MustParsePrefix("10.30.0.0/16")}, false, options{}))
	if !slices.Contains(r.Intent, "+ leg 10.255.64.0/18 of zone lab") {
		t.Errorf("a large zone: %q", r.Intent)
	}

	w.create("web1")
	without := spec("web2")
	without.NoAdmin = true
	w.ok(w.CreateVM(ctx, without, false, options{}))
	for name, admin := range map[string]string{"old": "", "web1": "10.255.0.2", "web2": ""} {
		v, err := w.VM(ctx, name)
		if err != nil || v.AdminAddress != admin || len(v.Addresses) != 1 {
			t.Errorf("%s: admin address %q, addresses %q, %v; want %q", name, v.AdminAddress, v.Addresses, err, admin)
		}
	}
	v, _ := w.VM(ctx, "web1")
	if n := v.NICs[1]; len(v.NICs) != 2 || n.Role != "admin" || n.Bridge != "isp-_dmz" || n.Tap != "isp-2-1" || !slices.Equal(n.Addresses, []string{"10.255.0.2"}) || n.MAC == v.MAC {
		t.Errorf("NICs of web1: %+v", v.NICs)
	}
	z, err := w.Zone(ctx, "dmz")
	if err != nil || z.Leg != "10.255.0.0/24" || z.LegGateway != "10.255.0.1" || z.LegBridge != "isp-_dmz" {
		t.Errorf("zone dmz: %+v, %v", z, err)
	}
	s, err := w.Status(ctx)
	if err != nil || s.Admin.Prefix != "10.255.0.0/16" || !slices.Equal(s.Admin.Links, []string{"adm0", "wg0"}) || !slices.Equal(s.Admin.Services, []string{"123/udp"}) {
		t.Errorf("status: %+v, %v", s.Admin, err)
	}
	if tap := w.links.Links["isp-2-1"]; tap.Master != "isp-_dmz" || !tap.Isolated {
		t.Errorf("tap of web1 on the leg: %+v", tap)
	}

	_, err = w.declare(operations.AdminSpec{Prefix: pool("none")}, options{})
	refused(t, err, ispctl.Conflict, `admin network "10.255.0.0/16": is in use by vm web1`, "ispctl vm destroy")
	_, err = w.declare(operations.AdminSpec{Prefix: pool("10.254.0.0/16")}, options{})
	refused(t, err, ispctl.Conflict, "is in use by vm web1")
	w.ok(w.DestroyVMs(ctx, []string{"web1"}, false, options{}))
	w.ok(w.declare(operations.AdminSpec{Prefix: pool("10.254.0.0/16")}, options{}))
	if leg := w.links.Links["isp-_dmz"].Addresses; len(leg) != 1 || leg[0].String() != "10.254.0.1/24" {
		t.Errorf("leg of another admin network: %s", leg)
	}
	w.ok(w.declare(operations.AdminSpec{Prefix: pool("none"), Links: &[]string{}, Services: &[]ispctl.Service{}}, options{}))
	for name := range w.links.Links {
		if strings.HasPrefix(name, "isp-_") {
			t.Errorf("%s is left", name)
		}
	}
	w.settled()
}

// TestAdminDefault: the first declaration finds a prefix that nobody uses; a
// later one does not bring up what was left out.
func TestAdminDefault(t *testing.T) {
	uplink := func(address string) ispctl.Uplink {
		return ispctl.Uplink{Interface: "up0", Kind: ispctl.Routed, Address: netip.MustParsePrefix(address)}
	}
	avoid := func(all ...string) (some []netip.Prefix) {
		for _, p := range all {
			some = append(some, netip.MustParsePrefix(p))
		}
		return some
	}
	for _, tt := range []struct {
		name, uplink string
		avoid        []netip.Prefix
		want         string // none: an error
	}{
		{"free", "203.0.113.2/24", nil, "10.255.0.0/16"},
		{"the uplink is in it", "10.255.3.2/24", nil, "10.254.0.0/16"},
		{"the host has a route into it", "203.0.113.2/24", avoid("10.255.7.0/24", "10.254.0.0/15"), "172.31.0.0/16"},
		{"nothing is free", "203.0.113.2/24", avoid("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"), "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := emptyWorld(t)
			d := operations.Declaration{Uplink: uplink(tt.uplink), Admin: operations.AdminSpec{Default: true, Avoid: tt.avoid}}
			_, err := w.DeclareHost(t.Context(), d, options{})
			if tt.want == "none" {
				refused(t, err, ispctl.Conflict, "none of 10.255.0.0/16,", "--admin-prefix none")
				return
			}
			if err != nil || w.model().Admin.Prefix.String() != tt.want {
				t.Errorf("want %s, have %s, %v", tt.want, w.model().Admin.Prefix, err)
			}
		})
	}
	w := emptyWorld(t)
	d := operations.Declaration{Uplink: uplink("203.0.113.2/24"), Admin: operations.AdminSpec{Default: true, Prefix: pool("none")}}
	w.ok(w.DeclareHost(t.Context(), d, options{}))
	d.Admin.Prefix = nil
	if w.ok(w.DeclareHost(t.Context(), d, options{})); w.model().Admin.Configured() {
		t.Error("an admin network that was refused came up by itself")
	}
}

// TestAdminByDocument: apply declares, and what export writes changes nothing.
func TestAdminByDocument(t *testing.T) {
	w := newWorld(t)
	const text = `version: 1
admin: {prefix: 172.31.0.0/16, links: [wg0], services: [53/udp]}
zones: [{name: new, prefix: 10.40.0.0/24}]
vms:
  - {name: a, template: micro, zone: new, plan: small}
  - {name: b, template: micro, zone: new, plan: small, admin: false}
  - {name: c, template: micro, zone: dmz, plan: small, admin: true}
`
	r := w.ok(w.apply(text, false, options{}))
	for _, line := range []string{"~ admin network prefix none -> 172.31.0.0/16, links none -> wg0, services none -> 53/udp", "+ leg 172.31.2.0/24 of zone new"} {
		if !slices.Contains(r.Intent, line) {
			t.Errorf("no %q in %q", line, r.Intent)
		}
	}
	m := w.model()
	for name, on := range map[string]int{"a": 1, "b": 0, "c": 1} {
		if vm, err := m.VM(name); err != nil || len(vm.AdminNICs()) != on {
			t.Errorf("%s: %+v, %v", name, vm.NICs, err)
		}
	}
	out, err := w.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r := w.ok(w.apply(string(out), true, options{})); len(r.Intent) > 0 {
		t.Errorf("applied again: %q\n%s", r.Intent, out)
	}
	_, err = w.apply("version: 1\nvms: [{name: a, template: micro, zone: new, plan: small, admin: false}]\n", false, options{})
	refused(t, err, ispctl.Conflict, `vm "a": admin is true and cannot become false`)
	_, err = w.apply("version: 1\nadmin: {prefix: 10.20.0.0/16}\n", false, options{})
	refused(t, err, ispctl.Conflict, "p.yaml:2:8", "is in use by vm a, c")
	_, err = w.apply("version: 1\nzones: [{name: x, prefix: 172.31.200.0/24}]\n", false, options{})
	refused(t, err, ispctl.Conflict, "overlaps 172.31.0.0/16 of the admin network")
}

// TestLegIsFull: a VM is refused before anything is done, and can do without.
func TestLegIsFull(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.CreateVM(ctx, func() operations.VMSpec { s := spec("x"); s.NeedAdmin = true; return s }(), false, options{})
	refused(t, err, ispctl.Conflict, `zone "dmz" has no admin leg`, "ispctl init --admin-prefix PREFIX")
	w.ok(w.declare(operations.AdminSpec{Prefix: pool("10.255.0.0/27")}, options{})) // legs of eight
	w.create("a", "b", "c", "d", "e")
	_, err = w.CreateVM(ctx, spec("f"), false, options{})
	refused(t, err, ispctl.Conflict, `vm "f": the admin leg 10.255.0.0/29 of zone "dmz" has no free address`, "--no-admin")
	s := spec("f")
	s.NoAdmin = true
	w.ok(w.CreateVM(ctx, s, false, options{}))
	w.ok(w.CreateZone(ctx, ispctl.Zone{Name: "y", Prefix: netip.MustParsePrefix("10.50.0.0/24")}, false, options{}))
	w.ok(w.CreateZone(ctx, ispctl.Zone{Name: "z", Prefix: netip.MustParsePrefix("10.51.0.0/24")}, false, options{}))
	_, err = w.CreateZone(ctx, ispctl.Zone{Name: "zz", Prefix: netip.MustParsePrefix("10.52.0.0/24")}, false, options{})
	refused(t, err, ispctl.Conflict, "admin network 10.255.0.0/27: has no room for another leg")
	refused(t, w.zoneNamed("abcdefghijk"), ispctl.Usage, "the bridge isp-_abcdefghijk of its admin leg would have 16 bytes; the kernel takes 15, so the zone's name 10")
}

// zoneNamed makes a zone where there is room for its leg.
func (w *world) zoneNamed(name ispctl.Name) error {
	_, err := w.Store.Update(context.WithoutCancel(w.t.Context()), state.Entry{}, func(tx *state.Tx) error {
		return tx.PutZone(ispctl.Zone{Name: name, Prefix: netip.MustParsePrefix("10.60.0.0/24"), Leg: netip.MustParsePrefix("10.255.0.24/29")})
	})
	return err
}

// TestCutByALeg: a caller whose address would lie on a leg is told.
func TestCutByALeg(t *testing.T) {
	w := newWorld(t)
	before := w.model()
	w.ok(w.declare(operations.AdminSpec{Prefix: pool("10.255.0.0/16")}, options{}))
	c, err := operations.ParseConnection("10.255.1.7 50000 203.0.113.2 22")
	if err != nil {
		t.Fatal(err)
	}
	if why := operations.Cuts(before, w.model(), c); !strings.Contains(why, `your address 10.255.1.7 would lie on the admin leg of zone "mail"`) {
		t.Errorf("have %q", why)
	}
	if why := operations.Cuts(w.model(), w.model(), c); why != "" {
		t.Errorf("it is not this change that cuts: %q", why)
	}
}
