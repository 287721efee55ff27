package operations_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/operations"
	"ispctl/operations/document"
)

// TestAdmission: what would break a promise is refused, by every way there is to
// make one, with how much it is too much; who takes back may do so step by step.
func TestAdmission(t *testing.T) {
	w := withVMs(t) // web1 and web2: 1 CPU, 256 MiB, 1 GiB each
	ctx, o := t.Context(), operations.Options{}
	room := 4 * ispctl.GiB
	w.Host = operations.HostFacts{
		CPUs: 2, Memory: 1024 * ispctl.MiB,
		Disk: func(*ispctl.Model) (ispctl.Size, error) { return room, nil },
	}
	set := func(limits ...string) error {
		t.Helper()
		all := map[string]string{}
		for i := 0; i < len(limits); i += 2 {
			all[limits[i]] = limits[i+1]
		}
		_, err := w.SetPlan(ctx, "small", operations.PlanChange{Limits: all}, o)
		return err
	}
	refused := func(what string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) || ispctl.KindOf(err) != ispctl.Conflict {
			t.Errorf("%s: want %q, have %v", what, want, err)
		}
	}
	// 1024 MiB but a reserve of 256.
	third := spec("web3")
	if _, err := w.CreateVM(ctx, third, false, o); err != nil {
		t.Fatal(err)
	}
	_, err := w.CreateVM(ctx, spec("web4"), false, o)
	refused("vm create", err, "guests are guaranteed 1GiB together; it has 768MiB: 256MiB too much")
	// Those that can be taken from are promised less; only all of it counts then.
	must(t, set("memory-guarantee", "128MiB"))
	_, err = w.CreateVM(ctx, spec("web4"), false, o)
	refused("vm create", err, "memory of guests of this host: guests are given 1GiB together; it has 768MiB: 256MiB too much")
	ratio := ispctl.Percent(400)
	must(t, one(w.SetSharing(ctx, ispctl.SharingChange{MemoryOvercommit: &ratio}, o)))
	must(t, one(w.CreateVM(ctx, spec("web4"), false, o)))
	_, err = w.CreateVM(ctx, spec("web5"), false, o)
	refused("vm create", err, "disk of this host: guests are given 5GiB together; it has 4GiB: 1GiB too much")
	none := ispctl.Percent(ispctl.NoLimit)
	ratio = 150
	must(t, one(w.SetSharing(ctx, ispctl.SharingChange{DiskOvercommit: &none, MemoryOvercommit: &ratio}, o)))
	_, err = w.CreateVM(ctx, spec("web5"), false, o)
	refused("vm create", err, "1152MiB: 128MiB too much")
	larger := 512 * ispctl.MiB
	_, err = w.SetPlan(ctx, "small", operations.PlanChange{Memory: &larger}, o)
	refused("plan set", err, "guests are given 2GiB together; it has 1152MiB: 896MiB too much")
	refused("plan set", set("memory-guarantee", "none"), "guests are guaranteed 1GiB together")
	must(t, one(w.CreatePlan(ctx, ispctl.Plan{Name: "big", CPUs: 2, Memory: ispctl.GiB, Disk: ispctl.GiB}, false, o)))
	big := "big"
	_, err = w.SetVM(ctx, "web1", operations.VMChange{Plan: &big}, o)
	refused("vm set", err, "too much")

	refused("plan set", set("cpu-guarantee", "60%"), "cpu time of this host: guests are guaranteed 240% together; it has 200%: 40% too much")
	must(t, set("cpu-guarantee", "50%"))
	_, err = w.SetQoS(ctx, "web1", map[string]string{"cpu-pin": "0,3"}, o)
	refused("qos set", err, "is pinned to CPU 3; this host has 0 to 1")
	must(t, one(w.SetQoS(ctx, "web1", map[string]string{"cpu-pin": "0"}, o)))
	must(t, one(w.SetQoS(ctx, "web2", map[string]string{"cpu-pin": "0"}, o)))
	_, err = w.SetQoS(ctx, "web3", map[string]string{"cpu-pin": "0"}, o)
	refused("qos set", err, "cpu time of 0 of this host: guests are guaranteed 150% together; it has 100%: 50% too much")
	doc, err := document.Parse("p.yaml", []byte("version: 1\nsharing: {memory_overcommit: 100%}\n"))
	must(t, err)
	_, err = w.Apply(ctx, doc, false, o)
	if err != nil {
		t.Errorf("what is promised already stays: %v", err)
	}
	doc, err = document.Parse("p.yaml", []byte("version: 1\nvms: [{name: web6, template: micro, zone: dmz, plan: small}]\n"))
	must(t, err)
	_, err = w.Apply(ctx, doc, false, o)
	refused("apply", err, "too much")

	views, err := w.Capacity(ctx)
	must(t, err)
	left := map[string]int64{}
	for _, v := range views {
		left[v.Name] = v.Left
	}
	want := map[string]int64{
		"uplink down": 0, "uplink up": 0, "memory": 256 << 20, "memory of guests": -256 << 20, "cpu time": 0, "cpu time of 0": 0, "disk": 0, "cpus": -2,
	}
	if !maps.Equal(left, want) {
		t.Errorf("left: %v, want %v", left, want)
	}
}

func one(_ operations.Result, err error) error { return err }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// balloons are guests' balloons in memory; those that are stuck do not follow.
type balloons struct {
	guests map[string]ispctl.GuestMemory
	stuck  map[string]bool
}

func (b *balloons) Balloons(context.Context) (map[string]ispctl.GuestMemory, error) {
	return maps.Clone(b.guests), nil
}

func (b *balloons) SetBalloon(_ context.Context, uuid string, memory ispctl.Size) error {
	if g := b.guests[uuid]; !b.stuck[uuid] {
		g.Actual = memory
		b.guests[uuid] = g
	}
	return nil
}

// TestBalance: a host that is said to be short has memory taken down to the
// guarantees and no further, and given back afterwards, by the watch that the
// resident part keeps.
func TestBalance(t *testing.T) {
	w := withVMs(t)
	ctx, o := t.Context(), operations.Options{}
	must(t, one(w.SetQoS(ctx, "web1", map[string]string{"memory-guarantee": "128MiB"}, o)))
	own := 512 * ispctl.MiB // more than its plan has
	must(t, one(w.ResizeVM(ctx, "web2", operations.VMSize{Memory: &own}, o)))
	uuids := map[ispctl.Name]string{}
	b := &balloons{map[string]ispctl.GuestMemory{}, map[string]bool{}}
	for uuid, d := range w.domains.Domains {
		uuids[d.VM] = uuid
		b.guests[uuid] = ispctl.GuestMemory{Actual: 256 * ispctl.MiB}
	}
	b.guests[uuids["web2"]] = ispctl.GuestMemory{Actual: own}
	host := ispctl.HostMemory{Total: 8 * ispctl.GiB, Available: 4 * ispctl.GiB, Stalled: -1}
	if _, err := w.Balance(ctx, 0, o); ispctl.KindOf(err) != ispctl.Conflict {
		t.Errorf("without balloons: %v", err)
	}
	w.Ballooner, w.Pressure = b, func() (ispctl.HostMemory, error) { return host, nil }
	actual := func(vm ispctl.Name) ispctl.Size { return b.guests[uuids[vm]].Actual }

	views, err := w.Balance(ctx, ispctl.GiB, operations.Options{DryRun: true})
	if err != nil || len(views) != 2 || views[0].Target != int64(128*ispctl.MiB) || views[1].Target != 0 || actual("web1") != 256*ispctl.MiB {
		t.Errorf("dry run: %+v, %v", views, err)
	}

	balanced := 0
	k := operations.MemoryKeeper{
		Store: w.Store, Pressure: w.Pressure, Every: time.Millisecond, Rest: time.Hour,
		Balance: func(ctx context.Context) error { balanced++; _, err := w.Balance(ctx, 0, o); return err },
	}
	watch := func(until func() bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		k := k
		inner := k.Pressure
		k.Pressure = func() (ispctl.HostMemory, error) {
			if until() {
				cancel()
			}
			return inner()
		}
		must(t, k.Keep(ctx))
		if !until() {
			t.Fatal("the watch does nothing")
		}
	}
	looks := 0
	watch(func() bool { looks++; return looks > 20 })
	if balanced > 0 {
		t.Errorf("nothing was short, and it balanced %d times", balanced)
	}
	host.Available = 0
	watch(func() bool { return actual("web1") == 128*ispctl.MiB })
	if actual("web2") != own {
		t.Errorf("web2, which has no guarantee said, is left %s", actual("web2"))
	}
	// All is taken: it asks once more, sees that nothing moves, and rests.
	balanced, looks = 0, 0
	watch(func() bool { looks++; return looks > 50 })
	if balanced > 2 {
		t.Errorf("with nothing to be had it balanced %d times", balanced)
	}
	kept, err := w.Store.Balloons(ctx)
	if err != nil || len(kept) != 2 || kept[0].Target != 128*ispctl.MiB || kept[1].Target != own {
		t.Errorf("kept %+v, %v", kept, err)
	}
	host.Available = 4 * ispctl.GiB
	watch(func() bool { return actual("web1") == 256*ispctl.MiB })
	// A guest whose driver does not follow harms nobody else.
	b.stuck[uuids["web1"]] = true
	must(t, one(w.SetQoS(ctx, "web2", map[string]string{"memory-guarantee": "200MiB"}, o)))
	host.Available = 0
	watch(func() bool { return actual("web2") == 200*ispctl.MiB })
	if actual("web1") != 256*ispctl.MiB {
		t.Errorf("web1 is left %s", actual("web1"))
	}
}
