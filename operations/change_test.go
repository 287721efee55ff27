package operations_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/operations"
	"ispctl/state"
)

type options = operations.Options

// act is an operation on a world that has the VMs web1 (with a forward to it)
// and web2.
type act func(ctx context.Context, w *world, o options) (operations.Result, error)

func withVMs(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.create("web1", "web2")
	w.forward("203.0.113.11:2222/tcp", "web1:22")
	return w
}

// TestOperations does each operation: dry, for real, and again.
func TestOperations(t *testing.T) {
	lab := ispctl.Zone{Name: "lab", Prefix: netip.MustParsePrefix("10.30.0.0/24"), VLAN: 30}
	large := ispctl.Plan{Name: "large", CPUs: 8, Memory: 8 * ispctl.GiB, Disk: 20 * ispctl.GiB}
	for _, tt := range []struct {
		name   string
		first  act // what has to be out of the way
		do     act
		intent []string
		host   []string // each in one of the commands
		none   bool     // nothing on the host
		again  string   // what the second time is refused with; empty: it does nothing
		fine   act      // the idempotent form
	}{
		{
			name: "zone create",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.CreateZone(ctx, lab, false, o)
			},
			intent: []string{"+ zone lab 10.30.0.0/24"}, host: []string{"ip link add name isp-lab", "ip address add 10.30.0.1/24 dev isp-lab"},
			again: `zone "lab": is there already; see: ispctl zone list (or use --if-not-exists)`,
			fine: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.CreateZone(ctx, lab, true, o)
			},
		},
		{
			name: "zone delete",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.DeleteZone(ctx, "mail", false, o)
			},
			intent: []string{"- zone mail"}, host: []string{"ip link delete dev isp-mail"},
			again: `zone "mail" not found (have: dmz); see: ispctl zone list`,
			fine: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.DeleteZone(ctx, "mail", true, o)
			},
		},
		{
			name: "plan create",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.CreatePlan(ctx, large, false, o)
			},
			intent: []string{"+ plan large cpus 8 memory 8GiB disk 20GiB"}, none: true,
			again: `plan "large": is there already`,
			fine: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.CreatePlan(ctx, large, true, o)
			},
		},
		{
			name: "plan delete",
			first: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.DestroyVMs(ctx, []string{"web1", "web2"}, false, o)
			},
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.DeletePlan(ctx, "small", false, o)
			},
			intent: []string{"- plan small"}, none: true,
			again: `plan "small" not found (have none); see: ispctl plan list`,
			fine: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.DeletePlan(ctx, "small", true, o)
			},
		},
		{
			name: "address add",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.AddAddress(ctx, addr("203.0.113.12"), false, o)
			},
			intent: []string{"+ address 203.0.113.12"}, host: []string{"ip route append local 203.0.113.12"},
			again: `address "203.0.113.12": is there already`,
			fine: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.AddAddress(ctx, addr("203.0.113.12"), true, o)
			},
		},
		{
			name: "address remove",
			first: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.RemoveForward(ctx, forward(t, "203.0.113.11:2222/tcp", "web1:22").Listen, 0, false, o)
			},
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.RemoveAddress(ctx, addr("203.0.113.11"), false, o)
			},
			intent: []string{"- address 203.0.113.11"}, host: []string{"ip route delete local 203.0.113.11"},
			again: `address "203.0.113.11" not found (have: 203.0.113.10); see: ispctl address list`,
			fine: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.RemoveAddress(ctx, addr("203.0.113.11"), true, o)
			},
		},
		{
			name: "forward add",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.AddForward(ctx, forward(t, "203.0.113.11:53/udp", "web2:5353"), false, o)
			},
			intent: []string{"+ forward 203.0.113.11:53/udp to web2:5353"}, host: []string{"nft add element ip ispctl-nat forwards { 203.0.113.11 . udp . 53 : 10.10.0.3 . 5353 }"},
			again: `forward "203.0.113.11:53/udp": is there already`,
			fine: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.AddForward(ctx, forward(t, "203.0.113.11:53/udp", "web2:5353"), true, o)
			},
		},
		{
			name: "forward remove",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.RemoveForward(ctx, forward(t, "203.0.113.11:2222/tcp", "web1:22").Listen, 0, false, o)
			},
			intent: []string{"- forward 203.0.113.11:2222/tcp"}, host: []string{"nft delete element ip ispctl-nat forwards { 203.0.113.11 . tcp . 2222 }"},
			again: `forward "203.0.113.11:2222/tcp" not found (have none); see: ispctl forward list`,
			fine: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.RemoveForward(ctx, forward(t, "203.0.113.11:2222/tcp", "web1:22").Listen, 0, true, o)
			},
		},
		{
			name: "vm create",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.CreateVM(ctx, spec("web3"), false, o)
			},
			intent: []string{"+ vm web3 10.10.0.4 in zone dmz"},
			host: []string{
				"install -d", "qemu-img create -f qcow2", "genisoimage", "ip tuntap add dev isp-3-0 mode tap", "ip link set dev isp-3-0 master isp-dmz",
				"virsh define --validate isp-web3.xml", "virsh start isp-web3",
			},
			again: `vm "web3": is there already; see: ispctl vm list (or use --if-not-exists)`,
			fine: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.CreateVM(ctx, spec("web3"), true, o)
			},
		},
		{
			name: "vm stop",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.SetVMsWanted(ctx, []string{"web1", "web2", "web1"}, ispctl.Stopped, o)
			},
			intent: []string{"~ vm web1 stopped", "~ vm web2 stopped"}, host: []string{"virsh shutdown isp-web1", "virsh shutdown isp-web2"},
		},
		{
			name: "vm stop by force",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				o.CutOff = []string{"web2"}
				return w.SetVMsWanted(ctx, []string{"web1", "web2"}, ispctl.Stopped, o)
			},
			intent: []string{"~ vm web1 stopped", "~ vm web2 stopped"}, host: []string{"virsh shutdown isp-web1", "virsh destroy isp-web2"},
		},
		{
			name: "vm start of one that runs",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.SetVMsWanted(ctx, []string{"web1"}, ispctl.Running, o)
			},
			intent: nil, none: true,
		},
		{
			name: "vm destroy",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.DestroyVMs(ctx, []string{"web2", "web1", "web2"}, false, o)
			},
			intent: []string{"- vm web2", "- forward 203.0.113.11:2222/tcp to web1:22", "- vm web1"},
			host:   []string{"virsh destroy isp-web1 && virsh undefine", "virsh destroy isp-web2", "ip link delete dev isp-1-0", "ip link delete dev isp-2-0", "rm -r "},
			again:  `vm "web2" not found (have none); see: ispctl vm list`,
			fine: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				return w.DestroyVMs(ctx, []string{"web2", "web1"}, true, o)
			},
		},
		{
			name: "init",
			do: func(ctx context.Context, w *world, o options) (operations.Result, error) {
				u := w.model().Uplink
				u.Interface = "up1"
				return w.DeclareHost(ctx, operations.Declaration{Uplink: u, Services: []ispctl.Service{{Port: 53, Proto: ispctl.UDP}, {Port: 443, Proto: ispctl.TCP}, {Port: 443, Proto: ispctl.TCP}}}, o)
			},
			intent: []string{"~ uplink up1", "~ host services"},
			host:   []string{`nft add element inet ispctl-firewall uplinks { "up1" }`, `nft delete element inet ispctl-firewall services { tcp . 22 }`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := withVMs(t)
			ctx := t.Context()
			if tt.first != nil {
				w.ok(tt.first(ctx, w, options{}))
			}
			before := w.all()
			dry := w.ok(tt.do(ctx, w, options{DryRun: true}))
			w.untouched(before)
			done := w.ok(tt.do(ctx, w, options{}))
			if diff := cmp.Diff(tt.intent, done.Intent); diff != "" {
				t.Errorf("intent (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(dry.Intent, done.Intent); diff != "" {
				t.Errorf("intent (-dry run +done):\n%s", diff)
			}
			if diff := cmp.Diff(commands(dry), commands(done)); diff != "" {
				t.Errorf("changes (-dry run +done):\n%s", diff)
			}
			for _, want := range tt.host {
				if !strings.Contains(commands(done), want) {
					t.Errorf("no %q in\n%s", want, commands(done))
				}
			}
			if tt.none != (len(done.Changes) == 0) {
				t.Errorf("nothing on the host is %v, and the changes are\n%s", tt.none, commands(done))
			}
			w.settled()

			after, host := w.all(), w.host()
			r, err := tt.do(ctx, w, options{})
			if tt.again != "" {
				refused(t, err, ispctl.KindOf(err), tt.again)
				if k := ispctl.KindOf(err); k != ispctl.Conflict && k != ispctl.NotFound {
					t.Errorf("kind %d", k)
				}
				w.untouched(after)
				r, err = tt.fine(ctx, w, options{})
			}
			if err != nil || r.Changed() || w.host() != host {
				t.Errorf("again: %v\n%s%v", r.Intent, commands(r), err)
			}
		})
	}
}

func TestStartOfAStoppedVM(t *testing.T) {
	w := withVMs(t)
	w.ok(w.SetVMsWanted(t.Context(), []string{"web1"}, ispctl.Stopped, options{}))
	r := w.ok(w.SetVMsWanted(t.Context(), []string{"web1"}, ispctl.Running, options{}))
	if commands(r) != "virsh start isp-web1\n" || len(r.Intent) != 1 || r.Intent[0] != "~ vm web1 running" {
		t.Errorf("%v\n%s", r.Intent, commands(r))
	}
	w.settled()
}

// TestRefused gives each operation what it must refuse: nothing is touched,
// and nothing is said to have been done.
func TestRefused(t *testing.T) {
	const usage, conflict, notFound = ispctl.Usage, ispctl.Conflict, ispctl.NotFound
	vmWith := func(change func(*operations.VMSpec)) act {
		return func(ctx context.Context, w *world, o options) (operations.Result, error) {
			s := spec("web3")
			change(&s)
			return w.CreateVM(ctx, s, true, o)
		}
	}
	for _, tt := range []struct {
		name string
		do   act
		kind ispctl.ErrorKind
		want string
	}{
		{"zone over another", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.CreateZone(ctx, ispctl.Zone{Name: "lab", Prefix: netip.MustParsePrefix("10.10.0.0/25")}, false, o)
		}, conflict, `zone "lab": prefix 10.10.0.0/25 overlaps 10.10.0.0/24 of zone "dmz"`},
		{"zone with a snat that is nobody's", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.CreateZone(ctx, ispctl.Zone{Name: "lab", Prefix: netip.MustParsePrefix("10.30.0.0/24"), Egress: true, SNAT: addr("203.0.113.99")}, false, o)
		}, notFound, `address "203.0.113.99" not found (have: 203.0.113.10, 203.0.113.11)`},
		{"zone that cannot be", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.CreateZone(ctx, ispctl.Zone{Name: "lab", Prefix: netip.MustParsePrefix("10.30.0.9/24")}, false, o)
		}, usage, "did you mean 10.30.0.0/24?"},
		{"zone with VMs", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.DeleteZone(ctx, "dmz", true, o)
		}, conflict, `zone "dmz": is in use by vm web1, web2; destroy them first`},
		{"no such zone", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.DeleteZone(ctx, "lab", false, o)
		}, notFound, `zone "lab" not found (have: dmz, mail)`},
		{"plan with VMs", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.DeletePlan(ctx, "small", true, o)
		}, conflict, `plan "small": is in use by vm web1, web2`},
		{"plan that cannot be", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.CreatePlan(ctx, ispctl.Plan{Name: "large"}, false, o)
		}, usage, `plan "large": cpus 0 is not 1 to 512`},
		{"address that cannot be", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.AddAddress(ctx, addr("::1"), false, o)
		}, usage, `address "::1": is neither of 2000::/3 nor of fc00::/7`},
		{"address of a zone", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.RemoveAddress(ctx, addr("203.0.113.10"), true, o)
		}, conflict, `address "203.0.113.10": is in use by zone dmz; give those zones another snat first`},
		{"address of a forward", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.RemoveAddress(ctx, addr("203.0.113.11"), true, o)
		}, conflict, `address "203.0.113.11": is in use by forward 203.0.113.11:2222/tcp; remove them first`},
		{"forward to no VM", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.AddForward(ctx, forward(t, "203.0.113.11:80", "ghost:80"), true, o)
		}, notFound, `vm "ghost" not found (have: web1, web2)`},
		{"forward on no address", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.AddForward(ctx, forward(t, "203.0.113.99:80", "web1:80"), true, o)
		}, notFound, `address "203.0.113.99" not found`},
		{"forward that leads elsewhere", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.AddForward(ctx, forward(t, "203.0.113.11:2222/tcp", "web2:22"), true, o)
		}, conflict, `forward "203.0.113.11:2222/tcp": is carried to web1:22 already`},
		{"VM of no template", vmWith(func(s *operations.VMSpec) { s.Template = "x" }), notFound, `template "x" not found (have: debian-12, debian-13, micro)`},
		{"VM of an image that is not built", vmWith(func(s *operations.VMSpec) { s.Template = "debian-12" }), notFound, `template "debian-12": its image "debian-12" has not been built; run: ispctl image build debian-12`},
		{"VM in no zone", vmWith(func(s *operations.VMSpec) { s.Zone = "x" }), notFound, `zone "x" not found (have: dmz, mail)`},
		{"VM on no plan", vmWith(func(s *operations.VMSpec) { s.Plan = "x" }), notFound, `plan "x" not found (have: small)`},
		{"VM at another's address", vmWith(func(s *operations.VMSpec) { s.Address = addr("10.10.0.2") }), conflict, `address "10.10.0.2": is vm "web1"'s in zone "dmz"`},
		{"VM at the gateway's address", vmWith(func(s *operations.VMSpec) { s.Address = addr("10.10.0.1") }), conflict, `vm "web3": address 10.10.0.1 is the gateway of zone "dmz"`},
		{"VM at an address of elsewhere", vmWith(func(s *operations.VMSpec) { s.Address = addr("10.20.0.2") }), conflict, `vm "web3": address 10.20.0.2 is no guest's`},
		{"VM without a name", vmWith(func(s *operations.VMSpec) { s.Name = "" }), usage, "vm: the name is empty"},
		{"start of no VM", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.SetVMsWanted(ctx, []string{"ghost"}, ispctl.Running, o)
		}, notFound, `vm "ghost" not found (have: web1, web2)`},
		{"stop of several, one of which is not there", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.SetVMsWanted(ctx, []string{"web1", "ghost"}, ispctl.Stopped, o)
		}, notFound, `vm "ghost" not found (have: web1, web2)`},
		{"one of several to destroy is not there", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.DestroyVMs(ctx, []string{"web1", "ghost"}, false, o)
		}, notFound, `vm "ghost" not found`},
		{"uplink that cannot be", func(ctx context.Context, w *world, o options) (operations.Result, error) {
			return w.DeclareHost(ctx, operations.Declaration{Uplink: ispctl.Uplink{Interface: "isp-dmz", Kind: ispctl.Routed}, Services: nil}, o)
		}, usage, `uplink "isp-dmz": is the bridge of zone "dmz"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := withVMs(t)
			before := w.all()
			for _, o := range []options{{DryRun: true}, {}} {
				r, err := tt.do(t.Context(), w, o)
				refused(t, err, tt.kind, tt.want)
				if r.Changed() {
					t.Errorf("it says it did %v\n%s", r.Intent, commands(r))
				}
			}
			w.untouched(before)
		})
	}
}

// TestFullZone gives every address away but one.
func TestFullZone(t *testing.T) {
	w := newWorld(t)
	w.ok(w.CreateZone(t.Context(), ispctl.Zone{Name: "tiny", Prefix: netip.MustParsePrefix("10.30.0.0/30")}, false, options{}))
	s := spec("a")
	s.Zone = "tiny"
	w.ok(w.CreateVM(t.Context(), s, false, options{}))
	s.Name = "b"
	_, err := w.CreateVM(t.Context(), s, false, options{})
	refused(t, err, ispctl.Conflict, `zone "tiny": prefix 10.30.0.0/30 has no free address`)
}

// TestAnotherIspctlIsAtWork and has the lock: what changes is refused, what
// looks is not.
func TestAnotherIspctlIsAtWork(t *testing.T) {
	w := withVMs(t)
	unlock, err := state.Lock(t.Context(), w.Paths, 0)
	if err != nil {
		t.Fatal(err)
	}
	before := w.all()
	_, err = w.DestroyVMs(t.Context(), []string{"web1"}, false, options{})
	refused(t, err, ispctl.Conflict, "another ispctl has been at work")
	_, err = w.Converge(t.Context(), options{}, true)
	refused(t, err, ispctl.Conflict, "another ispctl has been at work")
	views, err := w.VMs(t.Context())
	if err != nil || len(views) != 2 || views[0].State != "unknown" {
		t.Errorf("a look: %+v, %v", views, err)
	}
	w.untouched(before)
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if vm, err := w.VM(t.Context(), "web1"); err != nil || vm.State != "running" {
		t.Errorf("%+v, %v", vm, err)
	}
}

// TestJournal says who asked for what.
func TestJournal(t *testing.T) {
	w := withVMs(t)
	w.ok(w.DestroyVMs(t.Context(), []string{"web1"}, false, options{}))
	journal, err := w.Store.Journal(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	var got []state.Entry
	for _, e := range journal {
		got = append(got, e.Entry)
	}
	want := []state.Entry{
		{Actor: "tester", Operation: "forward add", Object: "forward 203.0.113.11:2222/tcp", Detail: "web1:22"},
		{Actor: "tester", Operation: "vm destroy", Object: "vm web1"},
		{Actor: "tester", Operation: "forget", Object: "vm web1", Detail: "every layer has let go"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
