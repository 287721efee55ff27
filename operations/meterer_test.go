package operations_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/meter"
	"ispctl/operations"
	"ispctl/state"
)

// resident is the resident part on the clock in hand.
type resident struct {
	*metered
	operations.Meterer
	said []string
}

func (m *metered) resident() *resident {
	r := &resident{metered: m}
	r.Meterer = operations.Meterer{Sampler: m.sampler, Say: func(text string) { r.said = append(r.said, text) }}
	return r
}

// run lets it work, while VM web1 sends so much each second, until that much
// time has gone by, and returns what it said.
func (m *resident) run(d time.Duration, perSecond uint64, converge func() error) []string {
	m.t.Helper()
	m.said = nil
	ctx, stop := context.WithCancel(m.t.Context())
	end := m.clock.Wall.Add(d)
	was := m.clock.Wall
	m.clock.OnSleep = func(c *operations.FakeClock) {
		c1 := m.counters[m.tap("web1")]
		c1[meter.Internet].Out.Bytes += perSecond * uint64(c.Wall.Sub(was)/time.Second)
		m.counters[m.tap("web1")] = c1
		if was = c.Wall; !was.Before(end) {
			stop()
		}
	}
	defer func() { m.clock.OnSleep = nil }()
	m.Converge = func(context.Context) error { return converge() }
	if err := m.Run(ctx); err != nil {
		m.t.Fatal(err)
	}
	return m.said
}

// TestPassIsOwed: a quota acts within a minute of being used up, and ends when
// the month does; a pass that fails is made again at once, until it succeeds.
func TestPassIsOwed(t *testing.T) {
	m := newMetered(t, "2026-10-31T23:50:00Z").resident()
	m.ok(m.SetQuota(t.Context(), ispctl.Quota{VM: "web1", Volume: 1_000_000, Direction: ispctl.DirectionSum, Day: 1, Action: ispctl.ActionThrottle, Rate: ispctl.Mbit}, options{}))
	var log []string
	fails := 3
	said := m.run(8*time.Minute, 10_000, func() error { // used up after 100 s
		log = append(log, fmt.Sprintf("%s %d", m.clock.Wall.Format(time.TimeOnly), len(m.model().Throttles)))
		if fails--; fails >= 0 {
			return errors.New("busy")
		}
		return nil
	})
	if len(log) != 4 || !strings.HasPrefix(log[0], "23:5") || log[0] > "23:52:40 1" || log[3] > "23:52:50 1" {
		t.Errorf("passes at %q", log)
	}
	if all := strings.Join(said, "\n"); strings.Count(all, "busy") != 3 {
		t.Errorf("said %q", all)
	}
	log, fails = nil, 2
	m.run(5*time.Minute, 0, func() error {
		log = append(log, fmt.Sprintf("%s %d", m.clock.Wall.Format(time.TimeOnly), len(m.model().Throttles)))
		if fails--; fails >= 0 {
			return errors.New("busy")
		}
		return nil
	})
	if len(log) != 3 || log[0] < "00:00:00 0" || log[2] > "00:00:40 0" || !strings.HasSuffix(log[2], " 0") {
		t.Errorf("at the turn of the month: passes at %q", log)
	}
}

// TestNoRoom fills the disk under the books for hours: readings wait in memory,
// that is said once, and every five minutes have what passed in them when there
// is room again.
func TestNoRoom(t *testing.T) {
	testkit.Need(t, testkit.Root)
	m := newMetered(t, "2026-10-10T00:00:00Z")
	disk := filepath.Join(m.Paths.Root, "disk")
	if err := os.MkdirAll(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	testkit.Sh(t, "mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk)
	t.Cleanup(func() { testkit.Sh(t, "umount", "-l", disk) })
	usage, err := state.OpenUsage(t.Context(), ispctl.Paths{Root: disk})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = usage.Close() })
	m.OpenUsage = func(context.Context) (*state.Usage, error) { return usage, nil }
	if m.sampler, err = m.Sampler(t.Context()); err != nil {
		t.Fatal(err)
	}
	idle := func() error { return nil }
	r := m.resident()
	r.run(time.Hour, 1000, idle)
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 32<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	said := r.run(3*time.Hour, 1000, idle)
	if all := strings.Join(said, "\n"); !strings.Contains(all, "kept in memory") || !strings.Contains(all, "make room") || strings.Count(all, "kept in memory") > 3 {
		t.Errorf("while there is no room:\n%s", all)
	}
	if booked, err := usage.Booked(t.Context()); err != nil || m.clock.Wall.Sub(booked) < time.Hour {
		t.Fatalf("booked at %s, %v: the disk was not full", booked, err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(r.run(time.Hour, 1000, idle), "\n"); !strings.Contains(all, "nothing is missing") {
		t.Errorf("when there is room: %s", all)
	}
	rows := m.usage(operations.UsageQuery{Of: "web1", Since: m.clock.Wall.Add(-4 * time.Hour), By: "hour"})
	if len(rows) < 4 {
		t.Fatalf("%d hours", len(rows))
	}
	for _, r := range rows[1 : len(rows)-1] {
		if n := r.Internet.OutBytes; n < 3_580_000 || n > 3_620_000 { // a reading more or less
			t.Errorf("%s: %d bytes", r.From, n)
		}
	}
}
