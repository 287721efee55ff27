package lab

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"ispctl/internal/testkit"
)

// TestLabDebian12 runs the kernel tests of every layer on Debian's own kernel.
// None may fail there, and none may be skipped.
func TestLabDebian12(t *testing.T) {
	testkit.Need(t, testkit.Root)
	packages, err := KernelRing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), Debian12(), packages, Options{Log: func(line string) { t.Log(line) }})
	t.Log(r)
	if err != nil {
		t.Error(err)
	}
	for _, p := range packages {
		t.Run(strings.TrimPrefix(p.Path, "ispctl/"), func(t *testing.T) {
			results := slices.DeleteFunc(slices.Clone(r.Tests), func(test Test) bool { return test.Package != p.Path })
			if len(results) == 0 {
				t.Error("it was not run")
			}
			for _, test := range results {
				if strings.Contains(test.Name, "/") && test.Outcome == Pass {
					continue // its parent passes, too
				}
				t.Run(cmp.Or(test.Name, "package"), func(t *testing.T) {
					if test.Outcome != Pass {
						t.Errorf("%s in %v\n%s", test.Outcome, test.Elapsed, test.Output)
					}
				})
			}
		})
	}
	if err := r.Err(); err != nil && !t.Failed() {
		t.Error(err)
	}
	if limit := 10 * time.Second; r.Resumed && r.Boot > limit {
		t.Errorf("%v from saved memory to the first test, want %v", r.Boot, limit)
	}
	if limit := 40 * time.Second; r.Boot > limit {
		t.Errorf("%v from start to the first test, want %v", r.Boot, limit)
	}
}

func TestKernelRing(t *testing.T) {
	packages, err := KernelRing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, p := range packages {
		have = append(have, p.Path)
	}
	for _, want := range []string{"ispctl/images", "ispctl/internal/testkit", "ispctl/net/bridge", "ispctl/net/firewall", "ispctl/net/nat", "ispctl/net/route"} {
		if !slices.Contains(have, want) {
			t.Errorf("%s is missing in %v", want, have)
		}
	}
	for path := range elsewhere {
		if slices.Contains(have, path) {
			t.Errorf("%s is there, though it belongs elsewhere", path)
		}
	}
}
