package drift_test

import (
	"context"
	"errors"
	"log"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ispctl/internal/drift"
	"ispctl/internal/testkit"
)

// TestEvents has the real tools change things, ours and others', and hears of
// ours only.
func TestEvents(t *testing.T) {
	testkit.NetNS(t)
	sh := func(script string) { testkit.Sh(t, "sh", "-ec", script) }
	sh(`ip link add isp-a type bridge; ip link add other type bridge; ip link add eth0 type veth peer name eth1
		nft 'table inet ispctl-firewall { set s { type ipv4_addr; }; chain c { }; }; table inet other { chain c { }; }'
		sysctl -qw net.ipv4.ip_forward=0`)
	w, err := drift.Open(drift.Marks{Tables: "ispctl-", Links: "isp-", Named: []string{"eth0"}, Group: 77, Protocol: 73})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan error, 1)
	go func() { heard <- w.Listen(ctx) }()
	for _, c := range []struct{ script, what, by string }{
		{"nft add rule inet ispctl-firewall c accept", "nftables", "nft, process "},
		{"nft add element inet ispctl-firewall s { 192.0.2.1 }", "nftables", "nft, process "},
		{"nft add rule inet other c accept", "", ""},
		{"nft delete table inet other", "", ""},
		{"nft flush ruleset", "nftables", "nft, process "},
		{"ip link set isp-a up", "link isp-a", ""},
		{"ip link set other up", "", ""},
		{"ip address add 192.0.2.1/24 dev isp-a", "address on isp-a", ""},
		{"ip address add 192.0.2.129/32 dev other", "", ""},
		{"ip address add 192.0.2.130/32 dev eth0", "address on eth0", ""},
		{"ip route add local 198.51.100.1 dev lo table local proto 73", "route", ""},
		{"ip route flush table local proto 73", "route", ""},
		{"ip route add local 198.51.100.1 dev lo table local proto 7", "", ""},
		{"ip rule add from 192.0.2.7 lookup 100", "routing rule", ""},
		{"sysctl -qw net.ipv4.ip_forward=1", "forwarding", ""},
		{"ip link add more group 77 type bridge", "link more", ""},
		{"ip link set more up", "link more", ""},
		{"ip link set isp-a down; ip link set isp-a name gone", "link isp-a", ""},
	} {
		quiet(w)
		sh(c.script)
		events := quiet(w)
		found := false
		for _, e := range events {
			found = found || e.What == c.what && strings.HasPrefix(e.By, c.by)
		}
		switch {
		case c.what == "" && len(events) > 0:
			t.Errorf("%s: heard of %v, which is not ours", c.script, events)
		case c.what != "" && !found:
			t.Errorf("%s: did not hear of %q by %q, but of %v", c.script, c.what, c.by, events)
		}
	}
	cancel()
	if err := <-heard; err != nil {
		t.Error(err)
	}
	if _, open := <-w.Events(); open {
		t.Error("events go on")
	}
}

// quiet takes all events until there are none for a while.
func quiet(w *drift.Watch) (all []drift.Event) {
	for {
		select {
		case e := <-w.Events():
			all = append(all, e)
		case <-time.After(50 * time.Millisecond):
			return all
		}
	}
}

// host is one that others take things from.
type host struct {
	gone    bool
	silent  bool
	fails   error
	repairs []time.Duration
	urgent  []bool
	began   time.Time
	spent   time.Duration
}

func (h *host) keeper(said *strings.Builder) drift.Keeper {
	h.began = time.Now()
	return drift.Keeper{
		Repair: func(_ context.Context, urgent bool) ([]string, error) {
			h.urgent = append(h.urgent, urgent)
			if h.fails != nil || !h.gone {
				return nil, h.fails
			}
			h.gone, h.silent = false, false
			h.repairs = append(h.repairs, time.Since(h.began))
			return []string{"table"}, nil
		},
		Glances: []func(context.Context) (bool, error){func(context.Context) (bool, error) { return h.silent, nil }},
		Spent:   func() time.Duration { return h.spent },
		Every:   2 * time.Second, Whole: time.Minute, Rest: 50 * time.Millisecond,
		Ours: func(by string) bool { return strings.HasPrefix(by, "ispctl,") },
		Say:  log.New(said, "", 0),
	}
}

// TestKeeper follows one for ten minutes, by a clock of its own.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		h := &host{gone: true}
		events := make(chan drift.Event, 64)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.keeper(&said).Keep(ctx, events) }()
		step := func(what string, wait time.Duration, repairs int) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			if len(h.repairs) != repairs {
				t.Fatalf("%s: %d repairs, want %d", what, len(h.repairs), repairs)
			}
		}
		step("looks when it starts", time.Second, 1)
		h.gone = true
		events <- drift.Event{What: "nftables", By: "nft, process 1"}
		step("at once", 0, 2)
		if !strings.Contains(said.String(), "put back after nft, process 1: table") || !h.urgent[len(h.urgent)-1] {
			t.Errorf("said %q, urgent %v", said.String(), h.urgent)
		}
		time.Sleep(time.Second)
		events <- drift.Event{What: "nftables", By: "ispctl, process 2"}
		step("our own change is looked at", 0, 2)
		if h.urgent[len(h.urgent)-1] {
			t.Error("our own change is urgent")
		}
		h.gone, h.silent = true, true
		step("what nobody tells", 2*time.Second, 3)
		h.gone = true
		step("what a glance does not see", time.Minute, 4)
		h.fails = errors.New("no luck")
		events <- drift.Event{What: "link"}
		step("fails", time.Second, 4)
		if !strings.Contains(said.String(), "could not put all back: no luck") {
			t.Errorf("said %q", said.String())
		}
		h.fails, h.gone = nil, true
		step("is tried again though nothing is heard", time.Minute, 5)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestFightSlowsDown: what is taken away without end is put back once a second,
// and said seldom; when it was left in peace, at once again.
func TestFightSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		h := &host{}
		events := make(chan drift.Event, 64)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- h.keeper(&said).Keep(ctx, events) }()
		time.Sleep(time.Second)
		for range 600 { // a minute
			h.gone = true
			events <- drift.Event{What: "nftables", By: "nft, process 1"}
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(h.repairs); n < 55 || n > 70 {
			t.Errorf("%d repairs in a minute", n)
		}
		for i := range h.repairs[1:] {
			if gap := h.repairs[i+1] - h.repairs[i]; gap > 1100*time.Millisecond {
				t.Errorf("repair %d came %s after the one before", i+1, gap)
			}
		}
		if n := strings.Count(said.String(), "\n"); n > 10 {
			t.Errorf("%d lines:\n%s", n, said.String())
		}
		time.Sleep(2*time.Minute + 7*time.Second) // not when it looks by itself
		n, before := len(h.repairs), time.Since(h.began)
		for range 2 {
			h.gone = true
			events <- drift.Event{What: "nftables"}
			time.Sleep(60 * time.Millisecond)
		}
		if len(h.repairs) != n+2 || h.repairs[n]-before > time.Millisecond {
			t.Errorf("after peace: %v at %s", h.repairs[n:], before)
		}
	})
}

// TestPace: on a host where a look takes long, looks without a reason take next to
// none of the time, and what nobody told of is found all the same.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		h := &host{}
		k := h.keeper(&said)
		repair, silent := k.Repair, k.Glances[0]
		k.Repair = func(ctx context.Context, urgent bool) ([]string, error) {
			h.spent += 200 * time.Millisecond
			return repair(ctx, urgent)
		}
		few := 0
		k.Glances = []func(context.Context) (bool, error){
			func(context.Context) (bool, error) { h.spent += 2 * time.Millisecond; few++; return false, nil },
			func(ctx context.Context) (bool, error) { h.spent += 150 * time.Millisecond; return silent(ctx) },
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Keep(ctx, make(chan drift.Event)) }()
		const hours = 10 * time.Hour
		time.Sleep(hours)
		synctest.Wait()
		if share := float64(h.spent) / float64(hours); share > 0.0008 || share < 0.0006 {
			t.Errorf("%.2f %% of a core was spent looking, want a fortieth of a percent for each of three", 100*share)
		}
		if few < int(hours/(10*time.Second)) {
			t.Errorf("what takes little was looked at %d times in %s", few, hours)
		}
		h.gone, h.silent = true, true
		time.Sleep(12 * time.Minute)
		synctest.Wait()
		if len(h.repairs) != 1 {
			t.Errorf("%d repairs", len(h.repairs))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
