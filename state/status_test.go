package state_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl/state"
)

func at(nanoseconds int) time.Time { return time.Date(2026, 1, 2, 3, 4, 5, nanoseconds, time.UTC) }

func TestRecordReplacesFaults(t *testing.T) {
	s := open(t, t.TempDir())
	for _, tt := range []struct {
		name        string
		wrong, want []state.Status
	}{
		{"none", nil, nil},
		{
			"sorted by object, two of one object in one",
			[]state.Status{{"vm web1", "broken", at(1)}, {"layer nat", "it's deaf", at(2)}, {"vm web1", "and lost", at(3)}},
			[]state.Status{{"layer nat", "it's deaf", at(2)}, {"vm web1", "broken; and lost", at(1)}},
		},
		{"others", []state.Status{{"vm mail1", "full", at(4)}}, []state.Status{{"vm mail1", "full", at(4)}}},
		{"all is well", nil, nil},
	} {
		if err := s.Record(t.Context(), tt.wrong, nil); err != nil {
			t.Fatal(err)
		}
		got, err := s.Faults(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestRecordGoesOn when nobody waits for it any more: that a pass was cut is
// worth knowing.
func TestRecordGoesOn(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Record(ctx, []state.Status{{"converge", "cut", at(1)}}, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Faults(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// TestPhasesAreInTime though some of the times have fewer digits than others.
func TestPhasesAreInTime(t *testing.T) {
	s := open(t, t.TempDir())
	update(t, s, fill)
	want := []state.Phase{{"reserved", at(100_000_000)}, {"disk", at(100_000_001)}, {"network", at(120_000_000)}, {"boot", at(123_000_000)}, {"ssh", at(999_999_999)}}
	phases := []state.Phase{want[4], want[2], want[0], want[3], want[1]}
	if err := s.Record(t.Context(), nil, map[int64][]state.Phase{1: phases}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Phases(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheFirstTimeOfAPhaseStands(t *testing.T) {
	s := open(t, t.TempDir())
	update(t, s, fill)
	record := func(phases map[int64][]state.Phase) {
		t.Helper()
		if err := s.Record(t.Context(), nil, phases); err != nil {
			t.Fatal(err)
		}
	}
	unphased := func() map[int64]bool {
		t.Helper()
		ids, err := s.Unphased(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	if got := unphased(); !got[1] || len(got) != 1 {
		t.Errorf("before: unphased %v", got)
	}
	record(map[int64][]state.Phase{1: {{"disk", at(1)}, {"disk", at(2)}}, 99: {{"disk", at(1)}}})
	record(map[int64][]state.Phase{1: {{"disk", at(3)}, {"boot", at(4)}}})
	if got := unphased(); len(got) != 0 {
		t.Errorf("after: unphased %v", got)
	}
	got, err := s.Phases(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]state.Phase{{"disk", at(1)}, {"boot", at(4)}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := s.Phases(t.Context(), 99); err != nil || len(got) != 0 {
		t.Errorf("a VM that is not there has phases %v, %v", got, err)
	}
	update(t, s, func(tx *state.Tx) error {
		m, err := tx.Model()
		if err != nil {
			return err
		}
		if err := tx.DeleteForward(m.Forwards[0].Listen); err != nil {
			return err
		}
		return tx.DeleteVM(1)
	})
	if got, err := s.Phases(t.Context(), 1); err != nil || len(got) != 0 {
		t.Errorf("a VM that is forgotten has phases %v, %v", got, err)
	}
}
