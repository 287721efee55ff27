// Package convergetest holds the laws that every layer keeps, callable on any
// of them: on its fake, and by the same call on the real kernel, directory or
// hypervisor.
package convergetest

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ispctl"
	"ispctl/converge"
)

// Suite is a layer, the models to walk between, and the world it works on.
type Suite[S any, C converge.Change] struct {
	Models  []*ispctl.Model
	Desired func(*ispctl.Model) (S, error)
	Diff    func(want, have S) []C
	Target  converge.Target[S, C]

	// Foreign draws everything in that world that does not bear our mark.
	// It must be a picture of something: make foreign objects first.
	Foreign func() string

	Passes int    // 0: 40, and 12 where tests are to be short
	Seed   uint64 // 0: 1; printed when a law is broken
}

// Laws walks the models at random. Half of the passes are cut after a random
// prefix of their changes, as kill -9 would, and begun again. After every whole
// pass
//
//  1. what is observed equals what was wanted,
//  2. the diff between them is empty,
//  3. what does not bear our mark is as it was before the first pass.
//
// The first law is not implied by the second: a Diff that forgets a field
// passes that one. Every third pass applies its changes twice, since a change
// that cannot be repeated cannot be resumed.
func Laws[S any, C converge.Change](t testing.TB, s Suite[S, C]) {
	t.Helper()
	if s.Passes == 0 {
		s.Passes = 40
	}
	whole := s.Passes
	if testing.Short() {
		s.Passes = min(s.Passes, 12) // enough to make, remove and cut
	}
	if s.Seed == 0 {
		s.Seed = 1
	}
	ctx := context.Background()
	random := rand.New(rand.NewPCG(s.Seed, s.Seed))
	foreign := s.Foreign()
	if foreign == "" {
		t.Fatal("the world holds nothing foreign: law 3 would prove nothing")
	}
	var made, removed, cut, passes int
	// A short walk goes on until it has seen each once, if the whole one would.
	for pass := 0; pass < s.Passes || pass < whole && (made == 0 || removed == 0 || cut == 0); pass++ {
		passes++
		model := s.Models[random.IntN(len(s.Models))]
		want, err := s.Desired(model)
		if err != nil {
			t.Fatalf("pass %d: desired: %v", pass, err)
		}
		if random.IntN(2) == 0 {
			changes := s.pending(ctx, t, want)
			if len(changes) > 0 {
				changes = changes[:random.IntN(len(changes))]
			}
			if err := s.Target.Apply(ctx, changes); err != nil {
				t.Fatalf("seed %d pass %d: cut pass: %v\n%s", s.Seed, pass, err, text(changes))
			}
			cut++
		}
		changes := s.pending(ctx, t, want)
		for _, c := range changes {
			if c.Kind() == converge.Prune {
				removed++
			} else {
				made++
			}
		}
		for range 1 + b2i(pass%3 == 0) {
			if err := s.Target.Apply(ctx, changes); err != nil {
				t.Fatalf("seed %d pass %d: apply: %v\n%s", s.Seed, pass, err, text(changes))
			}
		}
		have, err := s.Target.Observe(ctx)
		if err != nil {
			t.Fatalf("pass %d: observe: %v", pass, err)
		}
		if diff := cmp.Diff(want, have, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
			t.Fatalf("seed %d pass %d: law 1: observed differs from wanted (-want +got):\n%s\nafter:\n%s", s.Seed, pass, diff, text(changes))
		}
		if rest := s.Diff(want, have); len(rest) != 0 {
			t.Fatalf("seed %d pass %d: law 2: changes left after a whole pass:\n%s", s.Seed, pass, text(rest))
		}
		if diff := cmp.Diff(foreign, s.Foreign()); diff != "" {
			t.Fatalf("seed %d pass %d: law 3: foreign objects were touched (-before +after):\n%s\nby:\n%s", s.Seed, pass, diff, text(changes))
		}
	}
	t.Logf("%d passes, %d of them after a cut one: %d made, %d removed", passes, cut, made, removed)
	if made == 0 || removed == 0 || cut == 0 {
		t.Fatalf("the walk proves nothing: %d made, %d removed, %d cut", made, removed, cut)
	}
}

// pending is the diff in the order the engine applies it.
func (s Suite[S, C]) pending(ctx context.Context, t testing.TB, want S) []C {
	t.Helper()
	have, err := s.Target.Observe(ctx)
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	var ensure, prune []C
	for _, c := range s.Diff(want, have) {
		if c.Kind() == converge.Prune {
			prune = append(prune, c)
		} else {
			ensure = append(ensure, c)
		}
	}
	return append(ensure, prune...)
}

func text[C converge.Change](changes []C) string {
	var s string
	for _, c := range changes {
		s += c.String() + "\n"
	}
	return s
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
