package operations_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/converge"
	"ispctl/images"
	"ispctl/net/bridge"
	"ispctl/net/firewall"
	"ispctl/net/nat"
	"ispctl/net/nft"
	"ispctl/net/route"
	"ispctl/operations"
	"ispctl/operations/document"
	"ispctl/state"
	"ispctl/templates"
	"ispctl/vm"
	"ispctl/vpn"
	"ispctl/vpn/keys"
)

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

// digest of the one image, which both templates are made from here.
const digest = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

// world is a provider on a host in memory, with a real database.
type world struct {
	*operations.Provider
	t testing.TB

	disks     *images.Fake
	links     *bridge.Fake
	wall, nat *nft.Fake
	routes    *route.Fake
	domains   *vm.Fake
	tunnel    *vpn.Fake
	told      []operations.Progress
}

// newWorld has an uplink, the image micro, two addresses, the zones dmz (goes
// out with 203.0.113.10) and mail (closed), and the plan small; no VM.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := emptyWorld(t)
	ctx := t.Context()
	_, err := w.Store.Update(ctx, state.Entry{}, func(tx *state.Tx) error {
		return tx.PutImage(ispctl.Image{Name: "micro", Digest: digest, Size: 128 * ispctl.MiB, Cmdline: "root=/dev/vda", Built: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	})
	if err != nil {
		t.Fatal(err)
	}
	uplink := ispctl.Uplink{Interface: "up0", Kind: ispctl.Routed, Address: netip.MustParsePrefix("203.0.113.2/24"), Gateway: netip.MustParseAddr("203.0.113.1")}
	w.ok(w.DeclareHost(ctx, operations.Declaration{Uplink: uplink, Services: []ispctl.Service{{Port: 22, Proto: ispctl.TCP}}}, operations.Options{}))
	w.ok(w.AddAddress(ctx, addr("203.0.113.10"), false, operations.Options{}))
	w.ok(w.AddAddress(ctx, addr("203.0.113.11"), false, operations.Options{}))
	w.ok(w.CreateZone(ctx, dmz, false, operations.Options{}))
	w.ok(w.CreateZone(ctx, mail, false, operations.Options{}))
	w.ok(w.CreatePlan(ctx, small, false, operations.Options{}))
	w.told = nil
	return w
}

var (
	addr  = netip.MustParseAddr
	dmz   = ispctl.Zone{Name: "dmz", Prefix: netip.MustParsePrefix("10.10.0.0/24"), SNAT: addr("203.0.113.10"), Egress: true}
	mail  = ispctl.Zone{Name: "mail", Prefix: netip.MustParsePrefix("10.20.0.0/24")}
	small = ispctl.Plan{Name: "small", CPUs: 1, Memory: 256 * ispctl.MiB, Disk: ispctl.GiB}
)

func spec(name string) operations.VMSpec {
	return operations.VMSpec{Name: ispctl.Name(name), Template: "micro", Zone: "dmz", Plan: "small", SSHKeys: []string{key}}
}

func emptyWorld(t testing.TB) *world {
	t.Helper()
	inst := ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}
	paths := ispctl.Paths{Root: t.TempDir()}
	set, err := templates.Load("")
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(t.Context(), inst, paths)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{
		t: t, disks: &images.Fake{}, links: bridge.NewFake(), wall: nft.NewFake(), nat: nft.NewFake(), routes: route.NewFake(), domains: vm.NewFake(), tunnel: &vpn.Fake{},
	}
	secrets := &keys.Store{Dir: paths.VPNKeys()}
	w.Provider = &operations.Provider{
		VPNKeys: secrets,
		Store:   store, Templates: set, Images: &images.Store{Dir: paths.Images()}, Paths: paths, Hypervisor: hypervisor{domains: w.domains}, DomainType: "test",
		Actor: "tester", Progress: func(p operations.Progress) { w.told = append(w.told, p) },
		Layers: []converge.Layer{
			converge.NewLayer("disks", images.Desired(operations.Seed(set, operations.HostKeys{File: paths.HostKeys()})), images.Diff, w.disks),
			converge.NewLayer("bridge", bridge.Desired, bridge.Diff, w.links),
			converge.NewLayer(firewall.Layer, firewall.Desired, nft.Diff, w.wall),
			converge.NewLayer(vpn.Layer, vpn.Desired(secrets), vpn.Diff, w.tunnel),
			converge.NewLayer(nat.Layer, nat.Desired, nft.Diff, w.nat),
			converge.NewLayer("route", route.Desired, route.Diff, w.routes),
			converge.NewLayer("domains", vm.Desired(vm.Host{Type: vm.Test}), vm.Diff, w.domains),
		},
	}
	return w
}

// hypervisor tells what has become of the fake's domains.
type hypervisor struct {
	domains *vm.Fake
	stop    func(guests []ispctl.VM, within time.Duration) error
}

func (h hypervisor) StopGuests(_ context.Context, guests []ispctl.VM, within time.Duration) error {
	return h.stop(guests, within)
}

func (h hypervisor) Console(_ context.Context, uuid string) (string, error) {
	if h.domains.Domains[uuid].Running {
		return "/dev/pts/7", nil
	}
	return "", nil
}

func (h hypervisor) State(_ context.Context, uuid string) (string, error) {
	d, there := h.domains.Domains[uuid]
	switch {
	case !there:
		return "", &ispctl.Error{Kind: ispctl.NotFound, Object: "domain", Cause: "not found"}
	case d.Running:
		return "running", nil
	}
	return "stopped", nil
}

// ok wants an operation to succeed.
func (w *world) ok(r operations.Result, err error) operations.Result {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// create makes VMs in zone dmz.
func (w *world) create(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.ok(w.CreateVM(w.t.Context(), spec(name), false, operations.Options{}))
	}
}

func (w *world) forward(listen, to string) {
	w.t.Helper()
	w.ok(w.AddForward(w.t.Context(), forward(w.t, listen, to), false, operations.Options{}))
}

func forward(t testing.TB, listen, to string) ispctl.Forward {
	t.Helper()
	l, err := ispctl.ParseListen(listen)
	if err != nil {
		t.Fatal(err)
	}
	name, port, err := ispctl.ParseForwardTarget(to)
	if err != nil {
		t.Fatal(err)
	}
	return ispctl.Forward{Listen: l, VM: name, Port: port}
}

func (w *world) model() *ispctl.Model {
	w.t.Helper()
	m, err := w.Store.Model(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// apply applies a document.
func (w *world) apply(text string, prune bool, o operations.Options) (operations.Result, error) {
	w.t.Helper()
	d, err := document.Parse("p.yaml", []byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Apply(w.t.Context(), d, prune, o)
}

// host draws all that is on the host.
func (w *world) host() string {
	return strings.Join([]string{w.disks.String(), w.links.String(), w.wall.String(), w.nat.String(), fmt.Sprintf("%v\n", w.routes.State), w.domains.String()}, "\n")
}

// all draws the host, intent, faults and journal.
func (w *world) all() []string {
	w.t.Helper()
	faults, err := w.Store.Faults(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	journal, err := w.Store.Journal(w.t.Context(), 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	text := fmt.Sprintf("%s\n%+v\n%+v\n%+v", w.host(), *w.model(), faults, journal)
	return strings.Split(text, "\n")
}

// untouched wants everything to be as it was.
func (w *world) untouched(before []string) {
	w.t.Helper()
	if diff := cmp.Diff(before, w.all()); diff != "" {
		w.t.Errorf("something was touched (-before +after):\n%s", diff)
	}
}

// settled wants nothing to be left to do.
func (w *world) settled() {
	w.t.Helper()
	r := w.ok(w.Converge(w.t.Context(), operations.Options{DryRun: true}, false))
	if r.Changed() {
		w.t.Errorf("left to do:\n%s", commands(r))
	}
	faults, err := w.Store.Faults(w.t.Context())
	if err != nil || len(faults) > 0 {
		w.t.Errorf("faults: %v, %v", faults, err)
	}
}

// version is a number that changes with every commit to the database but one's
// own; see https://sqlite.org/pragma.html#pragma_data_version.
func (w *world) version() func() int {
	w.t.Helper()
	db, err := sql.Open("sqlite3", w.Paths.Database())
	if err != nil {
		w.t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // each connection has its own
	w.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return func() int {
		w.t.Helper()
		var n int
		if err := db.QueryRowContext(w.t.Context(), "PRAGMA data_version").Scan(&n); err != nil {
			w.t.Fatal(err)
		}
		return n
	}
}

// random is what is chosen at random for a VM: UUIDs and MACs.
var random = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|02(:[0-9a-f]{2}){5}`)

// commands are the changes of a result as text, without what is random.
func commands(r operations.Result) string {
	var b strings.Builder
	for _, c := range r.Changes {
		b.WriteString(random.ReplaceAllString(c.String(), "RANDOM") + "\n")
	}
	return b.String()
}

// refused wants an error of a kind that says all of that.
func refused(t testing.TB, err error, kind ispctl.ErrorKind, say ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("want an error that says %q, have none", say)
	}
	if ispctl.KindOf(err) != kind {
		t.Errorf("want kind %d, have %d: %v", kind, ispctl.KindOf(err), err)
	}
	for _, want := range say {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %q", want, err)
		}
	}
}
