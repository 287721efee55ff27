package operations_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/operations"
)

// TestMoveAddress runs programs that say what they were given, fail, and never
// end.
func TestMoveAddress(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	dir := t.TempDir()
	script := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	moves := func(program string) error {
		t.Helper()
		u := uplinkOf(t, w)
		u.Kind, u.OnMove = ispctl.Failover, program
		w.ok(w.DeclareHost(ctx, operations.Declaration{Uplink: u, Services: []ispctl.Service{{Port: 22, Proto: ispctl.TCP}}}, operations.Options{}))
		return w.MoveAddress(ctx, addr("203.0.113.10"), 300*time.Millisecond)
	}
	if err := w.MoveAddress(ctx, addr("203.0.113.10"), time.Second); ispctl.KindOf(err) != ispctl.Usage || !strings.Contains(err.Error(), "--on-move") {
		t.Errorf("without a program: %v", err)
	}
	if err := w.MoveAddress(ctx, addr("203.0.113.99"), time.Second); ispctl.KindOf(err) != ispctl.NotFound {
		t.Errorf("an address that is none: %v", err)
	}
	told := filepath.Join(dir, "told")
	if err := moves(script("works", `echo "$@" >`+told+"; cat >>"+told+"\n") + " --to $(hostname) ;x"); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(told)
	want := "--to $(hostname) ;x 203.0.113.10\n" + `{"address":"203.0.113.10","interface":"up0","host":"203.0.113.2"}` + "\n"
	if err != nil || string(got) != want {
		t.Errorf("the program was told %q, want %q (%v)", got, want, err)
	}
	w.told = nil
	if err := moves(script("fails", "echo no such server >&2; exit 3\n")); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a program that failed: %v", err)
	}
	if len(w.told) == 0 || w.told[len(w.told)-1].Text != "no such server" {
		t.Errorf("what it said is lost: %v", w.told)
	}
	start := time.Now()
	if err := moves(script("hangs", "sleep 30\n")); ispctl.KindOf(err) != ispctl.TimedOut || time.Since(start) > 5*time.Second {
		t.Errorf("a program that never ends, after %s: %v", time.Since(start), err)
	}
}

func uplinkOf(t *testing.T, w *world) ispctl.Uplink {
	t.Helper()
	m, err := w.Store.Model(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m.Uplink
}
