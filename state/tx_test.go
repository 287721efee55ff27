package state_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/state"
)

var errMine = errors.New("mine")

// TestUpdateIsWholeOrNot leaves every transaction that fails without a trace,
// in intent and in the journal.
func TestUpdateIsWholeOrNot(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*state.Tx) error
		want string
		kind ispctl.ErrorKind
	}{
		{"the function fails", func(tx *state.Tx) error {
			return errors.Join(tx.PutZone(ispctl.Zone{Name: "lab", Prefix: prefix("10.30.0.0/24")}), errMine)
		}, "mine", ispctl.Failed},
		{"a statement fails", func(tx *state.Tx) error {
			return errors.Join(tx.PutZone(ispctl.Zone{Name: "lab", Prefix: prefix("10.30.0.0/24")}), tx.DeleteVM(1))
		}, "still in use", ispctl.Conflict},
		{"the model would not be valid", func(tx *state.Tx) error {
			return errors.Join(
				tx.PutPlan(ispctl.Plan{Name: "large", CPUs: 8, Memory: ispctl.GiB, Disk: ispctl.GiB}),
				tx.PutZone(ispctl.Zone{Name: "lab", Prefix: prefix("10.10.0.0/25")}))
		}, `zone "lab": prefix 10.10.0.0/25 overlaps`, ispctl.Conflict},
		{"a zone goes from under a VM", func(tx *state.Tx) error { return tx.DeleteZone("dmz") }, `zone "dmz" not found (have: mail)`, ispctl.NotFound},
		{"a plan goes from under a VM", func(tx *state.Tx) error { return tx.DeletePlan("small") }, `plan "small" not found (have none)`, ispctl.NotFound},
		{"a tenant goes from under a VM", func(tx *state.Tx) error { return tx.DeleteTenant("acme") }, `tenant "acme" not found (have: aaa)`, ispctl.NotFound},
		{"an image goes from under a VM", func(tx *state.Tx) error { return tx.DeleteImage("d1") }, "is gone from the store", ispctl.Conflict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			before := update(t, s, fill)
			m, err := s.Update(t.Context(), state.Entry{Operation: "x"}, tt.do)
			if err == nil || m != nil || ispctl.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q, have %v, %v", tt.want, m, err)
			}
			if diff := cmp.Diff(before, modelOf(t, s), comparable); diff != "" {
				t.Errorf("intent (-before +after):\n%s", diff)
			}
			if journal, err := s.Journal(t.Context(), 10); err != nil || len(journal) != 1 {
				t.Errorf("journal: %v, %v", journal, err)
			}
		})
	}
}

func TestUpdateRollsBackAPanic(t *testing.T) {
	s := open(t, t.TempDir())
	before := update(t, s, fill)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = s.Update(t.Context(), state.Entry{}, func(tx *state.Tx) error {
			if err := tx.DeleteForward(before.Forwards[0].Listen); err != nil {
				return err
			}
			panic("mine")
		})
	}()
	if diff := cmp.Diff(before, modelOf(t, s), comparable); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// TestUpdateGoesOn once it has begun, though nobody waits for it any more.
func TestUpdateGoesOn(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Update(ctx, state.Entry{}, func(tx *state.Tx) error {
		cancel()
		return fill(tx)
	})
	if err != nil || len(modelOf(t, s).VMs) != 1 {
		t.Errorf("%v", err)
	}
	if _, err := s.Model(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a look went on: %v", err)
	}
}

func TestPreviewChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	before := update(t, s, fill)
	m, err := s.Preview(t.Context(), func(tx *state.Tx) error { return tx.PutZone(ispctl.Zone{Name: "lab", Prefix: prefix("10.30.0.0/24")}) })
	if err != nil || len(m.Zones) != 3 {
		t.Errorf("%v, %v", m, err)
	}
	for name, do := range map[string]func(*state.Tx) error{
		"fails":   func(*state.Tx) error { return errMine },
		"invalid": func(tx *state.Tx) error { return tx.DeleteZone("dmz") },
	} {
		if m, err := s.Preview(t.Context(), do); err == nil || m != nil {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	if diff := cmp.Diff(before, modelOf(t, s), comparable); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if journal, err := s.Journal(t.Context(), 10); err != nil || len(journal) != 1 {
		t.Errorf("journal: %v, %v", journal, err)
	}
}

func TestJournal(t *testing.T) {
	s := open(t, t.TempDir())
	var want []state.Entry
	for _, op := range []string{"a", "b", "c"} {
		e := state.Entry{Actor: "me", Operation: op, Object: "vm 'x'", Detail: "it; DROP TABLE journal"}
		want = append(want, e)
		if _, err := s.Update(t.Context(), e, func(*state.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for limit, want := range map[int][]state.Entry{0: nil, 2: want[1:], 3: want, 100: want} {
		journal, err := s.Journal(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []state.Entry
		for i, e := range journal {
			got = append(got, e.Entry)
			if e.At.IsZero() || i > 0 && e.At.Before(journal[i-1].At) {
				t.Errorf("entry %d is at %v", i, e.At)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the newest %d (-want +got):\n%s", limit, diff)
		}
	}
}
