package lab

import (
	"slices"
	"strings"
	"testing"
)

// TestCore: the short set has the laws of every layer and all that the host's
// kernel may lack, whatever it is called, and no more than that.
func TestCore(t *testing.T) {
	all, err := KernelRing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, p := range Core(all) {
		have[p.Path] = p.Run
		t.Log(p.Path, p.Run)
	}
	for _, p := range all {
		if strings.Contains(p.Run, "LawsOnKernel") && !strings.Contains(have[p.Path], "LawsOnKernel") {
			t.Errorf("the laws of %s are missing", p.Path)
		}
		for _, name := range p.rare {
			if slices.Contains(p.names, name) && !strings.Contains(have[p.Path], name) {
				t.Errorf("%s %s is missing", p.Path, name)
			}
		}
	}
	for pkg, test := range map[string]string{
		"ispctl/net/bridge": "TestTrunkLawsOnKernel", "ispctl/net/firewall": "TestZoneGoesOnAsVLAN", "ispctl/net/dhcp": "TestNamesOfOthers",
		"ispctl/images": "TestLaws", "ispctl/qos": "TestLeavesAreFair",
	} {
		if !strings.Contains(have[pkg], test) {
			t.Errorf("%s %s is missing", pkg, test)
		}
	}
	if _, there := have["ispctl/internal/testkit"]; !there {
		t.Error("the probes are missing")
	}
	if strings.Contains(have["ispctl/net/firewall"], "TestHostileFramesDoNotPass") {
		t.Error("the short set is not short")
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
