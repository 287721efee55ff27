package operations_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/converge"
	"ispctl/operations"
	"ispctl/state"
)

// minute is the time that changes of these tests wait for their confirmation.
var minute = options{Confirm: time.Minute}

// fakeGuards starts no process: the test is the guard. It knows the change that
// it was asked to guard.
type fakeGuards struct {
	id    string
	fault error                // of the next start
	die   bool                 // the command is killed as soon as the guard is ready
	ended []operations.Process // that were in the way
	onEnd func()
}

var errKilled = errors.New("killed")

func (g *fakeGuards) Start(_ context.Context, id string) error {
	if g.fault != nil {
		return g.fault
	}
	if g.id = id; g.die {
		panic(errKilled)
	}
	return nil
}

func (g *fakeGuards) Self() (operations.Process, error) {
	return operations.Process{PID: 42, Started: 7}, nil
}

func (g *fakeGuards) End(p operations.Process) error {
	g.ended = append(g.ended, p)
	if g.onEnd != nil {
		g.onEnd()
	}
	return nil
}

// guarded is a world with VMs, a clock of its own, and guards.
func guarded(t testing.TB) (*world, *fakeGuards, *operations.FakeClock) {
	t.Helper()
	w := withVMs(t)
	w.ok(w.AllowPolicy(t.Context(), spec25, options{}))
	guards := &fakeGuards{}
	clock := &operations.FakeClock{Wall: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), Boot: 500 * time.Hour, ID: "boot 1"}
	w.Guards, w.Clock = guards, clock
	return w, guards, clock
}

var spec25 = operations.PolicySpec{
	From: "dmz", To: "mail", Openings: []ispctl.Opening{{Transport: ispctl.TransportTCP, Port: 25}}, Families: []ispctl.Family{ispctl.IPv4},
}

// picture is intent and the host.
func (w *world) picture() []string {
	w.t.Helper()
	model, err := json.MarshalIndent(w.model(), "", " ")
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Split(w.host()+"\n"+string(model), "\n")
}

// guard is the guard's whole life.
func (w *world) guard(g *fakeGuards) (due bool) {
	w.t.Helper()
	due, err := w.Watch(w.t.Context(), g.id, func() error { return nil })
	if err == nil && due {
		err = w.RevertDue(w.t.Context(), g.id)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return due
}

func (w *world) nothingPending() {
	w.t.Helper()
	if v, err := w.Pending(); err != nil || v.Pending {
		w.t.Errorf("pending: %+v, %v", v, err)
	}
	w.settled()
}

// wallChanges are all operations that can await their confirmation.
var wallChanges = map[string]act{
	"zone create": func(ctx context.Context, w *world, o options) (operations.Result, error) {
		return w.CreateZone(ctx, ispctl.Zone{Name: "lab", Prefix: netip.MustParsePrefix("10.30.0.0/24"), MTU: 9000}, false, o)
	},
	"zone delete": func(ctx context.Context, w *world, o options) (operations.Result, error) {
		return w.DeleteZone(ctx, "mail", false, o)
	},
	"zone policy allow": func(ctx context.Context, w *world, o options) (operations.Result, error) {
		return w.AllowPolicy(ctx, operations.PolicySpec{From: "mail", To: "dmz", Families: []ispctl.Family{ispctl.IPv4}, Log: true}, o)
	},
	"zone policy deny": func(ctx context.Context, w *world, o options) (operations.Result, error) {
		return w.DenyPolicy(ctx, spec25, o)
	},
	"address add": func(ctx context.Context, w *world, o options) (operations.Result, error) {
		return w.AddAddress(ctx, addr("203.0.113.12"), false, o)
	},
	"address remove": func(ctx context.Context, w *world, o options) (operations.Result, error) {
		return w.RemoveAddress(ctx, addr("203.0.113.12"), false, o)
	},
	"forward add": func(ctx context.Context, w *world, o options) (operations.Result, error) {
		return w.AddForward(ctx, forward(w.t, "203.0.113.11:80", "web2:80"), false, o)
	},
	"forward remove": func(ctx context.Context, w *world, o options) (operations.Result, error) {
		return w.RemoveForward(ctx, forward(w.t, "203.0.113.11:2222", "web1:22").Listen, 0, false, o)
	},
	"init": func(ctx context.Context, w *world, o options) (operations.Result, error) {
		u := w.model().Uplink
		u.Interface = "up1"
		return w.DeclareHost(ctx, operations.Declaration{Uplink: u, Services: []ispctl.Service{{Port: 443, Proto: ispctl.TCP}}}, o)
	},
	"apply": func(_ context.Context, w *world, o options) (operations.Result, error) {
		return w.apply(provider, false, o)
	},
	"apply with prune": func(_ context.Context, w *world, o options) (operations.Result, error) {
		return w.apply(without("policies", "to: mail", "203.0.113.12:80", "forwards", "to:"), true, o)
	},
	"apply that changes a VM": func(_ context.Context, w *world, o options) (operations.Result, error) {
		return w.apply(edited(w.t, "{name: web1, template: micro, zone: dmz, plan: small,", "{name: web1, template: micro, zone: dmz, plan: small, state: stopped,", key, key+" me", "cpus: 1", "cpus: 2"), false, o)
	},
}

// firstChanges are what some of them need.
var firstChanges = map[string]act{
	"zone delete": func(ctx context.Context, w *world, o options) (operations.Result, error) {
		return w.DenyPolicy(ctx, spec25, o)
	},
	"address remove": func(ctx context.Context, w *world, o options) (operations.Result, error) {
		return w.AddAddress(ctx, addr("203.0.113.12"), false, o)
	},
	"apply with prune":        wallChanges["apply"],
	"apply that changes a VM": wallChanges["apply"],
}

// TestUnconfirmed makes each change and does not confirm it: when its time is
// up all is as it was before, to the last id, whatever the wall clock said.
func TestUnconfirmed(t *testing.T) {
	for name, do := range wallChanges {
		t.Run(name, func(t *testing.T) {
			w, g, clock := guarded(t)
			if first := firstChanges[name]; first != nil {
				w.ok(first(t.Context(), w, options{}))
			}
			before := w.picture()
			r := w.ok(do(t.Context(), w, minute))
			if r.Pending == nil || len(r.Intent) == 0 {
				t.Fatalf("nothing awaits its confirmation: %+v", r)
			}
			if cmp.Equal(before, w.picture()) {
				t.Fatal("the change changed nothing: the test proves nothing")
			}
			jumps := []time.Duration{-3 * time.Hour, 26 * time.Hour}
			clock.OnSleep = func(c *operations.FakeClock) {
				c.Wall = c.Wall.Add(jumps[0])
				jumps[0], jumps[1] = jumps[1], jumps[0]
			}
			start := clock.Boot
			if !w.guard(g) {
				t.Error("it was not due")
			}
			if took := clock.Boot - start; took != time.Minute {
				t.Errorf("taken back after %v", took)
			}
			if diff := cmp.Diff(before, w.picture()); diff != "" {
				t.Errorf("(-before +taken back):\n%s", diff)
			}
			w.nothingPending()
			if w.guard(g) {
				t.Error("a second guard found it due again")
			}
		})
	}
}

func TestConfirmed(t *testing.T) {
	w, g, clock := guarded(t)
	w.ok(w.DenyPolicy(t.Context(), spec25, minute))
	after := w.picture()
	clock.Sleep(t.Context(), time.Minute-time.Nanosecond)
	v, err := w.Confirm(t.Context())
	if err != nil || v.Command != "zone policy deny" || v.Object != "policy dmz -> mail" {
		t.Fatalf("%+v, %v", v, err)
	}
	if w.guard(g) {
		t.Error("the guard takes back what was kept")
	}
	if diff := cmp.Diff(after, w.picture()); diff != "" {
		t.Error(diff)
	}
	w.nothingPending()
	_, err = w.Confirm(t.Context())
	refused(t, err, ispctl.NotFound, "nothing awaits its confirmation; the last change that did, of policy dmz -> mail, was kept at ")
}

// TestTooLate confirms when the time is up and the guard has not come yet.
func TestTooLate(t *testing.T) {
	w, g, clock := guarded(t)
	before := w.picture()
	w.ok(w.DenyPolicy(t.Context(), spec25, minute))
	clock.Sleep(t.Context(), time.Minute)
	_, err := w.Confirm(t.Context())
	refused(t, err, ispctl.Conflict, "zone policy deny of policy dmz -> mail by tester: was not confirmed by 2026-02-03T04:06:06Z and is being taken back")
	if !w.guard(g) || !cmp.Equal(before, w.picture()) {
		t.Error("it was not taken back")
	}
	_, err = w.Confirm(t.Context())
	refused(t, err, ispctl.NotFound, "the last change that did, of policy dmz -> mail, was taken back at ", "(zone policy deny by tester: not confirmed in time)")
}

func TestGivenUp(t *testing.T) {
	w, g, _ := guarded(t)
	before := w.picture()
	w.ok(w.DenyPolicy(t.Context(), spec25, minute))
	if _, err := w.RevertNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.guard(g) || !cmp.Equal(before, w.picture()) {
		t.Error("it was not taken back")
	}
	w.nothingPending()
	_, err := w.RevertNow(t.Context())
	refused(t, err, ispctl.NotFound, "nothing awaits its confirmation")
}

// TestBesidePending tries what may and may not be done while a change awaits
// its confirmation.
func TestBesidePending(t *testing.T) {
	for name, do := range wallChanges {
		if firstChanges[name] != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w, _, _ := guarded(t)
			w.ok(w.AddForward(t.Context(), forward(t, "203.0.113.11:53/udp", "web2:53"), false, minute))
			before := w.all()
			for _, o := range []options{{}, minute, {DryRun: true}} {
				_, err := do(t.Context(), w, o)
				refused(t, err, ispctl.Conflict, "forward add of forward 203.0.113.11:53/udp by tester: awaits its confirmation until 2026-02-03T04:06:06Z", "ispctl confirm")
			}
			w.untouched(before)
		})
	}
	t.Run("what leaves walls alone", func(t *testing.T) {
		w, g, _ := guarded(t)
		w.ok(wallChanges["zone create"](t.Context(), w, minute))
		w.create("web3")
		w.ok(w.SetVMsWanted(t.Context(), []string{"web2"}, ispctl.Stopped, options{}))
		w.ok(w.CreatePlan(t.Context(), ispctl.Plan{Name: "large", CPUs: 4, Memory: ispctl.GiB, Disk: ispctl.GiB}, false, options{}))
		w.ok(w.DestroyVMs(t.Context(), []string{"web1"}, false, options{})) // with the forward to it
		w.ok(w.CreateZone(t.Context(), dmz, true, options{}))               // there already: no change
		s := spec("lab1")
		s.Zone = "lab"
		_, err := w.CreateVM(t.Context(), s, false, options{})
		refused(t, err, ispctl.Conflict, "zone create of zone lab by tester: awaits its confirmation", "would make it impossible to take back", `zone "lab" not found`)
		if !w.guard(g) {
			t.Fatal("it was not due")
		}
		m := w.model()
		if len(m.Zones) != 2 || len(m.Forwards) != 0 || len(m.Plans) != 2 || len(m.VMs) != 2 || m.VMs[0].Wanted != ispctl.Stopped || m.VMs[1].Name != "web3" {
			t.Errorf("%+v", m)
		}
		w.nothingPending()
	})
}

// TestNotArmed are the changes that cannot await their confirmation: nothing
// is touched.
func TestNotArmed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(w *world, g *fakeGuards)
		o       options
		do      string
		kind    ispctl.ErrorKind
		want    string
	}{
		{"too short", nil, options{Confirm: time.Millisecond}, "zone create", ispctl.Usage, `confirm "1ms": is not 1s to 24h0m0s`},
		{"too long", nil, options{Confirm: 25 * time.Hour}, "zone create", ispctl.Usage, `confirm "25h0m0s": is not`},
		{"less than none", nil, options{Confirm: -time.Minute}, "zone create", ispctl.Usage, `confirm "-1m0s": is not`},
		{"no guards", func(w *world, _ *fakeGuards) { w.Guards = nil }, minute, "zone create", ispctl.Failed, "no guard can be started from here"},
		{"no guard starts", func(_ *world, g *fakeGuards) { g.fault = errors.New("fork: no memory") }, minute, "zone create", ispctl.Failed, "guard: did not start, so nothing was changed: fork: no memory"},
		{"the caller is cut off", func(w *world, _ *fakeGuards) { w.Caller = connection("198.51.100.7:4000", "203.0.113.2:22") }, minute, "init", ispctl.Conflict, "your own connection 198.51.100.7:4000 -> 203.0.113.2:22: would be cut off: "},
		{"the caller is cut off for good", func(w *world, _ *fakeGuards) { w.Caller = connection("198.51.100.7:4000", "203.0.113.2:22") }, options{}, "init", ispctl.Conflict, "if that is meant: --force"},
		{"and told so beforehand", func(w *world, _ *fakeGuards) { w.Caller = connection("198.51.100.7:4000", "203.0.113.2:22") }, options{DryRun: true}, "init", ispctl.Conflict, "would be cut off: "},
		{"packets do not come through", func(w *world, _ *fakeGuards) {
			w.Caller = connection("198.51.100.7:4000", "203.0.113.2:22")
			w.Rehearse = func(_ context.Context, m *ispctl.Model, _, _ netip.AddrPort) (bool, error) {
				return len(m.Zones) == 2, nil
			}
		}, minute, "zone create", ispctl.Conflict, "one like it, opened at these walls in a scratch namespace, got no answer"},
		{"the way back is damaged", func(w *world, _ *fakeGuards) { w.damage() }, options{}, "zone create", ispctl.Failed, "is damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, g, _ := guarded(t)
			if tt.prepare != nil {
				tt.prepare(w, g)
			}
			before := w.all()
			r, err := wallChanges[tt.do](t.Context(), w, tt.o)
			refused(t, err, tt.kind, tt.want)
			if r.Changed() || r.Pending != nil {
				t.Errorf("it says it did %+v", r)
			}
			w.untouched(before)
		})
	}
	t.Run("a VM would be destroyed", func(t *testing.T) {
		w, _, _ := guarded(t)
		w.ok(w.apply(provider, false, options{}))
		before := w.all()
		for _, o := range []options{minute, {Confirm: time.Minute, DryRun: true}} {
			_, err := w.apply(without("lab1"), true, o)
			refused(t, err, ispctl.Conflict, `vm "lab1": would be destroyed, which no revert brings back`)
		}
		w.untouched(before)
	})
	t.Run("forced", func(t *testing.T) {
		w, _, _ := guarded(t)
		w.Caller = connection("198.51.100.7:4000", "203.0.113.2:22")
		w.ok(wallChanges["init"](t.Context(), w, options{Force: true}))
	})
	for name, rehearse := range map[string]operations.Rehearsal{
		"packets come through":         func(context.Context, *ispctl.Model, netip.AddrPort, netip.AddrPort) (bool, error) { return true, nil },
		"packets did not come through": func(context.Context, *ispctl.Model, netip.AddrPort, netip.AddrPort) (bool, error) { return false, nil },
		"no packet could be sent at all": func(context.Context, *ispctl.Model, netip.AddrPort, netip.AddrPort) (bool, error) {
			return false, os.ErrPermission
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, _ := guarded(t)
			w.Caller, w.Rehearse = connection("198.51.100.7:4000", "203.0.113.2:22"), rehearse
			w.ok(wallChanges["zone create"](t.Context(), w, minute))
		})
	}
	t.Run("nothing to change", func(t *testing.T) {
		w, _, _ := guarded(t)
		if r := w.ok(w.AllowPolicy(t.Context(), spec25, minute)); r.Pending != nil {
			t.Errorf("%+v", r.Pending)
		}
	})
}

func (w *world) damage() {
	w.t.Helper()
	dir := w.Paths.Confirm()
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "pending.json"), []byte(`{"Version": 1, `), 0o600)); err != nil {
		w.t.Fatal(err)
	}
}

// TestKilledBeforeTheCommit ends the command between the guard's start and the
// change: there is nothing to take back, and the journal does not claim it.
func TestKilledBeforeTheCommit(t *testing.T) {
	w, g, _ := guarded(t)
	before := w.all()
	g.die = true
	func() {
		defer func() {
			if p := recover(); p != errKilled { //nolint:errorlint // the very same
				t.Fatal(p)
			}
		}()
		_, _ = w.DenyPolicy(t.Context(), spec25, minute)
	}()
	w.untouched(before)
	if !w.guard(g) {
		t.Error("it was not due")
	}
	w.untouched(before)
	w.nothingPending()
}

// TestRecover lets the next command find what no guard has settled.
func TestRecover(t *testing.T) {
	for _, tt := range []struct {
		name    string
		happens func(c *operations.FakeClock)
		say     string
		stays   bool
	}{
		{"nobody is there in time", func(c *operations.FakeClock) { c.Boot += time.Minute }, "taken back: zone policy deny of policy dmz -> mail by tester: not confirmed in time", false},
		{"booted, and the clock is young", func(c *operations.FakeClock) { c.Boot, c.ID = time.Second, "boot 2" }, "taken back: zone policy deny of policy dmz -> mail by tester: the host was booted before it was confirmed", false},
		{"the guards were killed", func(c *operations.FakeClock) { c.Boot += time.Second }, "its guard was gone, another one was started", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, g, clock := guarded(t)
			before := w.picture()
			w.ok(w.DenyPolicy(t.Context(), spec25, minute))
			after, id := w.picture(), g.id
			tt.happens(clock)
			g.id = ""
			said, err := w.Recover(t.Context())
			if err != nil || !strings.HasPrefix(said, tt.say) {
				t.Errorf("%q, %v", said, err)
			}
			want := before
			if tt.stays {
				want = after
				if g.id != id {
					t.Errorf("a guard of %q", g.id)
				}
			}
			if diff := cmp.Diff(want, w.picture()); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("nothing is pending", func(t *testing.T) {
		w, _, _ := guarded(t)
		before := w.all()
		if said, err := w.Recover(t.Context()); said != "" || err != nil {
			t.Errorf("%q, %v", said, err)
		}
		w.untouched(before)
	})
	t.Run("a guard is alive", func(t *testing.T) {
		w, g, clock := guarded(t)
		w.ok(w.DenyPolicy(t.Context(), spec25, minute))
		var said string
		clock.OnSleep = func(*operations.FakeClock) {
			clock.OnSleep = nil
			id := g.id
			if v, err := w.Pending(); err != nil || !v.Guarded {
				t.Errorf("%+v, %v", v, err)
			}
			g.id = "another"
			said, _ = w.Recover(t.Context())
			if g.id != "another" {
				t.Error("another guard was started")
			}
			g.id = id
		}
		w.guard(g)
		if said != "" {
			t.Error(said)
		}
	})
}

// TestInTheWay has a command that made the change and never ends: the guard
// ends it.
func TestInTheWay(t *testing.T) {
	w, g, _ := guarded(t)
	before := w.picture()
	w.ok(w.DenyPolicy(t.Context(), spec25, minute))
	unlock, err := state.Lock(t.Context(), w.Paths, 0)
	if err != nil {
		t.Fatal(err)
	}
	g.onEnd = func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}
	w.guard(g)
	if diff := cmp.Diff([]operations.Process{{PID: 42, Started: 7}}, g.ended); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, w.picture()); diff != "" {
		t.Error(diff)
	}
}

// TestRevertWithoutHypervisor takes walls back while libvirt is down, and goes
// on trying while a wall cannot be built.
func TestRevertWithoutHypervisor(t *testing.T) {
	w, g, _ := guarded(t)
	before := w.picture()
	w.ok(w.DenyPolicy(t.Context(), spec25, minute))
	down := &unableLayer{Layer: w.Layers[len(w.Layers)-1]}
	w.Layers[len(w.Layers)-1] = down
	w.wall.FailNext = errors.New("no memory for the transaction")
	w.guard(g)
	if diff := cmp.Diff(before, w.picture()); diff != "" {
		t.Error(diff)
	}
	faults, err := w.Store.Faults(t.Context())
	if err != nil || len(faults) != 1 || !strings.Contains(faults[0].Error, "libvirt is down") {
		t.Errorf("%+v, %v", faults, err)
	}
	down.up = true
	w.ok(w.Converge(t.Context(), options{}, false))
	w.nothingPending()
}

// unableLayer cannot tell what is pending until it is up.
type unableLayer struct {
	converge.Layer
	up bool
}

func (l *unableLayer) Pending(ctx context.Context, m *ispctl.Model) (converge.Pending, error) {
	if !l.up {
		return converge.Pending{}, errors.New("domains: observe: libvirt is down")
	}
	return l.Layer.Pending(ctx, m)
}
