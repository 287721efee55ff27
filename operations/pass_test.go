package operations_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/converge"
	"ispctl/images"
	"ispctl/net/bridge"
	"ispctl/operations"
	"ispctl/vm"
)

var errDeaf = errors.New("deaf")

// deaf is a layer that cannot be looked at.
type deaf struct{ converge.Layer }

func (deaf) Pending(context.Context, *ispctl.Model) (converge.Pending, error) {
	return converge.Pending{}, errDeaf
}

// deafen puts a deaf layer in the place of one of w's.
func (w *world) deafen(name string) {
	w.t.Helper()
	i := slices.IndexFunc(w.Layers, func(l converge.Layer) bool { return l.Name() == name })
	if i < 0 {
		w.t.Fatalf("no layer %s", name)
	}
	w.Layers[i] = deaf{w.Layers[i]}
}

// hear undoes deafen.
func (w *world) hear() {
	for i, l := range w.Layers {
		if d, ok := l.(deaf); ok {
			w.Layers[i] = d.Layer
		}
	}
}

// TestFailureKeepsThePromise breaks each layer while a VM is made: intent is
// committed, the fault is on record, and the next pass does the rest.
func TestFailureKeepsThePromise(t *testing.T) {
	for _, tt := range []struct {
		name         string
		breakIt      func(w *world)
		mend         func(w *world)
		is           error
		object, says string // of the fault
	}{
		{"disks", func(w *world) { w.disks.FailAfter = 1 }, func(w *world) { w.disks.FailAfter = 0 }, images.ErrInjected, "vm web1", "injected fault"},
		{"bridge", func(w *world) { w.links.FailAfter = 1 }, func(w *world) { w.links.FailAfter = 0 }, bridge.ErrInjected, "converge", "injected fault"},
		{"firewall", func(w *world) { w.deafen("firewall") }, (*world).hear, errDeaf, "converge", "deaf"},
		{"a firewall that refuses", func(w *world) {
			clear(w.wall.Tables)
			w.wall.FailNext = errDeaf
		}, func(*world) {}, errDeaf, "converge", "firewall: deaf"},
		{"nat", func(w *world) { w.deafen("nat") }, (*world).hear, errDeaf, "converge", "deaf"},
		{"domains", func(w *world) { w.domains.FailAfter = 1 }, func(w *world) { w.domains.FailAfter = 0 }, vm.ErrInjected, "vm web1", "virsh start isp-web1: injected fault"},
		{"domains that cannot be seen", func(w *world) { w.deafen("domains") }, (*world).hear, errDeaf, "converge", "deaf"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			ctx := t.Context()
			tt.breakIt(w)
			r, err := w.CreateVM(ctx, spec("web1"), false, options{})
			if !errors.Is(err, tt.is) {
				t.Fatalf("want %v, have %v", tt.is, err)
			}
			if !slices.Equal(r.Intent, []string{"+ vm web1 10.10.0.2 in zone dmz"}) {
				t.Errorf("intent: %v", r.Intent)
			}
			if _, err := w.model().VM("web1"); err != nil {
				t.Errorf("the promise is gone: %v", err)
			}
			faults, err := w.Store.Faults(ctx)
			if err != nil || len(faults) != 1 || faults[0].Object != tt.object || !strings.Contains(faults[0].Error, tt.says) {
				t.Errorf("faults: %+v, %v", faults, err)
			}
			for _, d := range w.domains.Domains {
				if d.Running {
					t.Error("the guest runs, though the wall before it failed")
				}
			}
			view, err := w.VM(ctx, "web1")
			if err != nil || tt.object == "vm web1" && (view.State != "error" || !strings.Contains(view.Error, tt.says)) || len(view.Phases) > 0 {
				t.Errorf("it is shown as %+v, %v", view, err)
			}

			tt.mend(w)
			if _, err := w.Converge(ctx, options{}, false); err != nil {
				t.Fatal(err)
			}
			w.settled()
			view, err = w.VM(ctx, "web1")
			if err != nil || view.State != "running" || view.Error != "" {
				t.Errorf("it is shown as %+v, %v", view, err)
			}
		})
	}
}

// TestFaultOfOneVM stands in no other's way.
func TestFaultOfOneVM(t *testing.T) {
	w := newWorld(t)
	w.create("web1")
	w.domains.FailAfter = 1 // the start of the first of the two
	_, err := w.apply("version: 1\nvms:\n- {name: a, template: micro, zone: dmz, plan: small}\n- {name: b, template: micro, zone: mail, plan: small}\n", false, options{})
	refused(t, err, ispctl.Failed, "vm a: virsh start isp-a")
	states := map[ispctl.Name]string{}
	views, err := w.VMs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		states[v.Name] = v.State
	}
	if diff := cmp.Diff(map[ispctl.Name]string{"a": "error", "b": "running", "web1": "running"}, states); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFaultStaysUntilItIsMended, or another takes its place.
func TestFaultStaysUntilItIsMended(t *testing.T) {
	w := newWorld(t)
	w.domains.FailAfter = 1
	if _, err := w.CreateVM(t.Context(), spec("web1"), false, options{}); err == nil {
		t.Fatal("no error")
	}
	w.domains.FailAfter = 0
	w.deafen("nat")
	if _, err := w.Converge(t.Context(), options{}, false); !errors.Is(err, errDeaf) {
		t.Fatal(err)
	}
	faults, err := w.Store.Faults(t.Context())
	if err != nil || len(faults) != 1 || faults[0].Object != "converge" {
		t.Errorf("%+v, %v", faults, err)
	}
	w.hear()
	w.ok(w.Converge(t.Context(), options{}, false))
	w.settled()
}

// TestDestroyedVMsAreForgotten only when every layer has let go, and hold
// their address until then.
func TestDestroyedVMsAreForgotten(t *testing.T) {
	w := withVMs(t)
	ctx := t.Context()
	w.deafen("bridge")
	_, err := w.DestroyVMs(ctx, []string{"web1"}, false, options{})
	if !errors.Is(err, errDeaf) {
		t.Fatal(err)
	}
	have, err := w.model().VM("web1")
	if err != nil || have.Wanted != ispctl.Absent {
		t.Fatalf("%+v, %v", have, err)
	}
	if view, err := w.VM(ctx, "web1"); err != nil || view.State != "destroying" {
		t.Errorf("%+v, %v", view, err)
	}
	if len(w.model().Forwards) != 0 {
		t.Error("a forward leads to it")
	}
	w.hear()

	// Nothing of it is to be had before it is gone.
	s := spec("web3")
	s.Address = addr("10.10.0.2")
	_, err = w.CreateVM(ctx, s, false, options{DryRun: true})
	refused(t, err, ispctl.Conflict, `address "10.10.0.2": is vm "web1"'s`)
	_, err = w.CreateVM(ctx, spec("web1"), true, options{DryRun: true})
	refused(t, err, ispctl.Conflict, `vm "web1": one of that name is still being destroyed; finish it: ispctl converge`)
	_, err = w.SetVMsWanted(ctx, []string{"web1"}, ispctl.Running, options{})
	refused(t, err, ispctl.Conflict, `vm "web1": is being destroyed`)
	_, err = w.AddForward(ctx, forward(t, "203.0.113.11:80", "web1:80"), false, options{})
	refused(t, err, ispctl.Conflict, `vm "web1" is being destroyed`)

	w.ok(w.Converge(ctx, options{}, false))
	_, err = w.VM(ctx, "web1")
	refused(t, err, ispctl.NotFound, `vm "web1" not found (have: web2)`)
	w.ok(w.CreateVM(ctx, s, false, options{}))
	if vm, err := w.model().VM("web3"); err != nil || vm.ID != 3 || vm.NICs[0].Addr != s.Address {
		t.Errorf("%+v, %v", vm, err)
	}
	w.settled()
}

// TestNothingToDo writes nothing: neither a pass nor a look.
func TestNothingToDo(t *testing.T) {
	w := withVMs(t)
	version := w.version()
	before, all := version(), w.all()
	for range 2 {
		if r := w.ok(w.Converge(t.Context(), options{}, false)); r.Changed() {
			t.Errorf("%s", commands(r))
		}
	}
	if _, err := w.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.VMs(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.ok(w.CreateVM(t.Context(), spec("web3"), false, options{DryRun: true}))
	if after := version(); after != before {
		t.Error("something was written")
	}
	w.untouched(all)
	w.ok(w.DestroyVMs(t.Context(), []string{"web1"}, false, options{}))
	if version() == before {
		t.Error("the version proves nothing: it never changes")
	}
}

// TestDriftIsMended, whatever went away.
func TestDriftIsMended(t *testing.T) {
	for name, harm := range map[string]func(w *world){
		"bridge":   func(w *world) { delete(w.links.Links, "isp-dmz") },
		"tap":      func(w *world) { delete(w.links.Links, "isp-1-0") },
		"firewall": func(w *world) { clear(w.wall.Tables) },
		"nat":      func(w *world) { clear(w.nat.Tables) },
		"routes":   func(w *world) { clear(w.routes.Locals) },
		"domains":  func(w *world) { clear(w.domains.Domains) },
		"disks":    func(w *world) { clear(w.disks.Guests) },
		"a guest that stopped": func(w *world) {
			for uuid, d := range w.domains.Domains {
				d.Running = false
				w.domains.Domains[uuid] = d
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := withVMs(t)
			host := w.host()
			harm(w)
			if w.host() == host {
				t.Fatal("no harm was done")
			}
			r := w.ok(w.Converge(t.Context(), options{}, false))
			if len(r.Changes) == 0 || w.host() != host {
				t.Errorf("(-before +after):\n%s", cmp.Diff(strings.Split(host, "\n"), strings.Split(w.host(), "\n")))
			}
			w.settled()
		})
	}
}

// TestMassPrune is refused to a pass that nobody asked by name: a model that
// lost its rows looks just like an operator who wants nothing.
func TestMassPrune(t *testing.T) {
	w := newWorld(t)
	w.create("a", "b", "c", "d")
	w.disks.Guests["00000000-0000-4000-8000-00000000ffff"] = images.GuestFiles{Dir: "/left/over"}
	w.ok(w.Converge(t.Context(), options{}, false)) // one of five

	for _, n := range []string{"1", "2", "3", "4", "5"} {
		uuid := "00000000-0000-4000-8000-00000000000" + n
		w.disks.Guests[uuid] = images.GuestFiles{Dir: "/left/over/" + n}
	}
	host := w.host()
	_, err := w.Converge(t.Context(), options{}, false)
	refused(t, err, ispctl.Conflict, "layer disks: would remove 5 of its 9 objects", "ispctl converge --yes")
	if w.host() != host {
		t.Error("it was refused and done")
	}
	if faults, err := w.Store.Faults(t.Context()); err != nil || len(faults) != 1 || faults[0].Object != "converge" {
		t.Errorf("%+v, %v", faults, err)
	}
	w.ok(w.Converge(t.Context(), options{}, true))
	w.settled()
	w.ok(w.DestroyVMs(t.Context(), []string{"a", "b", "c", "d"}, false, options{})) // asked for by name
	w.settled()
}

// TestPhases of a VM are recorded by the pass that brings it up, and no more.
func TestPhases(t *testing.T) {
	w := newWorld(t)
	w.create("web1")
	phases := func(name string) []operations.PhaseView {
		t.Helper()
		v, err := w.VM(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return v.Phases
	}
	first := phases("web1")
	var names []string
	for i, p := range first {
		names = append(names, p.Name)
		if p.Seconds < 0 || i > 0 && p.At.Before(first[i-1].At) {
			t.Errorf("phase %s is at %v", p.Name, p.At)
		}
	}
	if diff := cmp.Diff([]string{"reserved", "disk", "network", "boot"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.create("web2")
	w.ok(w.SetVMsWanted(t.Context(), []string{"web1"}, ispctl.Stopped, options{}))
	w.ok(w.SetVMsWanted(t.Context(), []string{"web1"}, ispctl.Running, options{}))
	if diff := cmp.Diff(first, phases("web1")); diff != "" {
		t.Errorf("later passes changed them (-before +after):\n%s", diff)
	}
	if len(phases("web2")) != len(first) {
		t.Errorf("web2: %v", phases("web2"))
	}
}

// TestCancelledPass is on record, though nobody waits for it any more.
func TestCancelledPass(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	tell := w.Progress
	w.Progress = func(p operations.Progress) { // the first layer is done
		tell(p)
		cancel()
	}
	_, err := w.CreateVM(ctx, spec("web1"), false, options{})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	w.Progress = tell
	faults, err := w.Store.Faults(t.Context())
	if err != nil || len(faults) != 1 || !strings.Contains(faults[0].Error, "context canceled") {
		t.Errorf("%+v, %v", faults, err)
	}
	w.ok(w.Converge(t.Context(), options{}, false))
	w.settled()
}

// TestProgress tells of each layer that had something to do, in order.
func TestProgress(t *testing.T) {
	w := newWorld(t)
	w.create("web1")
	var told []string
	for _, p := range w.told {
		told = append(told, p.Phase+" "+p.Text)
		if !p.Done || p.Took < 0 {
			t.Errorf("%+v", p)
		}
	}
	if len(told) < 3 || told[0] != "disk disks" || told[1] != "network bridge" || told[len(told)-1] != "boot domains" {
		t.Errorf("%v", told)
	}
}
