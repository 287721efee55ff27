package lab

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ispctl/internal/testkit"
)

// asked is that somebody has the minutes for it: emulated, it takes longer than
// all other tests together.
var asked = testkit.Feature{Name: "the lab to be asked for (make test-all)", Probe: func() error {
	if os.Getenv("ISPCTL_TEST_LAB") == "" {
		return errors.New("ISPCTL_TEST_LAB is not set")
	}
	return nil
}}

// TestLabDebian12 runs the kernel tests of every layer on Debian's own kernel,
// but for the slowest. None may fail there, and none may be skipped.
func TestLabDebian12(t *testing.T) {
	testkit.Need(t, testkit.Root, asked)
	packages, err := KernelRing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	packages = Fast(packages)
	r, err := Run(t.Context(), Debian12(), packages, Options{Short: true, Log: func(line string) { t.Log(line) }})
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

// TestSlowAreThere keeps a name that was changed from making a slow test fast.
func TestSlowAreThere(t *testing.T) {
	packages, err := KernelRing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for pkg, names := range slow {
		i := slices.IndexFunc(packages, func(p Package) bool { return p.Path == pkg })
		for _, name := range names {
			if i < 0 || !strings.Contains(packages[i].Run, name) {
				t.Errorf("%s has no test %s", pkg, name)
			}
		}
	}
}

func TestKernelRing(t *testing.T) {
	packages, err := KernelRing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, p := range packages {
		have[p.Path] = p.Run
		t.Log(p.Path, p.Run)
	}
	for pkg, run := range map[string]string{
		"ispctl/images": "Laws", "ispctl/internal/testkit": "", "ispctl/net/bridge": "TestLawsOnKernel", "ispctl/net/firewall": "TestTextIsTruth",
		"ispctl/net/nat": "TestLawsOnKernel", "ispctl/net/route": "TestLawsOnKernel", "ispctl/operations": "TestWaitSSH",
	} {
		if got, there := have[pkg]; !there || !strings.Contains(got, run) {
			t.Errorf("%s %s is missing", pkg, run)
		}
	}
	for _, pkg := range []string{"ispctl/vm/libvirtd", "ispctl/internal/cli", "ispctl/bench"} {
		if run, there := have[pkg]; there {
			t.Errorf("%s %s is there, though it needs libvirt", pkg, run)
		}
	}
	for pkg, run := range have {
		if elsewhere[pkg] != "" || strings.Contains(run, "LawsOnFake") {
			t.Errorf("%s %s is there, though it belongs elsewhere", pkg, run)
		}
	}
}
