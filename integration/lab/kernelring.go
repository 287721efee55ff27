package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// elsewhere are packages whose tests make network namespaces, and yet do not
// belong in a machine of these flavours. So are all that need libvirt, which
// these flavours have not.
var elsewhere = map[string]string{
	"ispctl/integration":         "boots guests: machines in a machine",
	"ispctl/integration/lab":     "is the lab",
	"ispctl/integration/systemd": "takes the flavour systemd",
	"ispctl/integration/xen":     "takes the flavour xen",
}

const libvirt = "libvirt.org/go/libvirt"

// besides are tests that try a kernel without a network namespace.
var besides = map[string]string{
	"ispctl/images":           "^TestLaws",                          // on a file system
	"ispctl/internal/testkit": "",                                   // the probes: all
	"ispctl/vm/cgroup":        "^(TestLawsOnKernel|TestProcesses)$", // control groups of version 2
}

// Takes reports whether a test is one of those of the package that run.
func (p Package) Takes(name string) bool {
	run, err := regexp.Compile(p.Run)
	return err == nil && run.MatchString(name) && !slices.Contains(p.Skip, name)
}

// slow are tests that take a minute or more where every instruction of the
// kernel is emulated, or hold rates to a clock that such a machine cannot keep up
// with. They run only when all are asked for.
var slow = map[string][]string{
	"ispctl/net/firewall": {"TestReplacedUnderFlood"},
	"ispctl/net/nft":      {"TestBigTransaction"}, // 100,000 elements
	"ispctl/qos": {
		"TestRates", "TestCrowdRates", "TestEachConnection", "TestFlowLimit", "TestLocalIsAnotherRate", "TestNeighbour", "TestCrowdNeighbour",
		"TestTotals", "TestUplinkIsShared", "TestUrgentGoesFirst",
	},
}

// Fast leaves out the slow tests of what [KernelRing] lists.
func Fast(packages []Package) []Package {
	packages = slices.Clone(packages)
	for i, p := range packages {
		packages[i].Skip = append(slices.Clone(p.Skip), slow[p.Path]...)
	}
	return packages
}

// Core leaves only what shows that every layer works on another kernel: the
// laws, the probes, and whatever tries a feature that few kernels of hosts have.
func Core(packages []Package) []Package {
	var some []Package
	for _, p := range packages {
		if p.Run != "" && len(p.names) == 0 || p.Path == "ispctl/internal/testkit" {
			some = append(some, p) // of besides: they are such tests
			continue
		}
		var names []string
		for _, name := range p.names {
			if core.MatchString(name) || slices.Contains(p.rare, name) {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			p.Run, p.Skip = "^("+strings.Join(names, "|")+")$", nil
			some = append(some, p)
		}
	}
	return some
}

// core are tests by their names: the laws, what has to do with VLANs, and two
// that found what is different on Linux 6.1.
var core = regexp.MustCompile(`Laws|VLAN|Trunk|Tags|NoMixture|NamesOfOthers`)

// rare are the names, in package testkit, of what the kernels of some hosts
// lack. A test that mentions one has to be run in the lab, or nowhere.
var rare = []string{"VLAN", "VLANFiltering", "VRF", "WireGuard", "IPVS", "FQCodel", "FQ", "CAKE", "Flower", "Flowtable", "BridgeConntrack", "BridgeMeta", "BridgeReject"}

// namespace is what a test of the kernel ring calls, be it through others: one
// for its own thread, or one by a name.
var namespace = []string{"NetNS", "netns.Create"}

// KernelRing lists the packages with tests that try the kernel, and names these
// tests. Who writes a new one need not say so here: it is found by what it
// calls.
func KernelRing(ctx context.Context) ([]Package, error) {
	out, err := goOutput(ctx, "list", buildTags, "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,TestImports,XTestImports,Deps", "ispctl/...")
	if err != nil {
		return nil, err
	}
	listed := map[string]listing{}
	var helpers []string // sources of what tests share
	for in := json.NewDecoder(strings.NewReader(out)); in.More(); {
		var l listing
		if err := in.Decode(&l); err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		listed[l.ImportPath] = l
		if strings.HasPrefix(l.ImportPath, "ispctl/internal/") && strings.Contains(l.ImportPath, "test") {
			helpers = append(helpers, l.paths(l.GoFiles)...)
		}
	}
	var packages []Package
	for pkg, l := range listed {
		// What its tests import may need libvirt though it does not.
		needsLibvirt := slices.ContainsFunc(slices.Concat([]string{pkg}, l.TestImports, l.XTestImports), func(name string) bool {
			return slices.Contains(listed[name].Deps, libvirt)
		})
		if _, other := elsewhere[pkg]; other || needsLibvirt {
			continue
		}
		run, kernel := besides[pkg]
		p := Package{Path: pkg, Run: run}
		if !kernel {
			files := slices.Concat(l.paths(l.TestGoFiles), l.paths(l.XTestGoFiles))
			if p.names, err = reaching(slices.Concat(files, helpers), namespace...); err != nil {
				return nil, err
			}
			if p.rare, err = reaching(files, rare...); err != nil {
				return nil, err
			}
			kernel, p.Run = len(p.names) > 0, "^("+strings.Join(p.names, "|")+")$"
		}
		if kernel {
			packages = append(packages, p)
		}
	}
	slices.SortFunc(packages, func(a, b Package) int { return strings.Compare(a.Path, b.Path) })
	return packages, nil
}

// listing is what go list says of a package.
type listing struct {
	ImportPath, Dir                    string
	GoFiles, TestGoFiles, XTestGoFiles []string
	TestImports, XTestImports, Deps    []string
}

func (l listing) paths(files []string) []string {
	var paths []string
	for _, name := range files {
		paths = append(paths, filepath.Join(l.Dir, name))
	}
	return paths
}

// reaching are the tests in some files that mention one of some names, or the
// name of a function that does, and so on. A name that several functions bear counts as
// all of them: a test too many rather than one too few.
func reaching(files []string, goals ...string) ([]string, error) {
	mentions := map[string]map[string]bool{}
	tests := map[string]bool{}
	var errs []error
	for _, name := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			errs = append(errs, fmt.Errorf("find kernel tests: %w", err))
			continue
		}
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			if strings.HasPrefix(f.Name.Name, "Test") && f.Recv == nil && f.Name.Name != "TestMain" {
				tests[f.Name.Name] = true
			}
			if mentions[f.Name.Name] == nil {
				mentions[f.Name.Name] = map[string]bool{}
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.Ident:
					mentions[f.Name.Name][n.Name] = true
				case *ast.SelectorExpr:
					if pkg, ok := n.X.(*ast.Ident); ok {
						mentions[f.Name.Name][pkg.Name+"."+n.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	// Go on until a round finds nothing new.
	reached := map[string]bool{}
	for _, goal := range goals {
		reached[goal] = true
	}
	for grown := true; grown; {
		grown = false
		for name, all := range mentions {
			if reached[name] {
				continue
			}
			for mentioned := range all {
				if reached[mentioned] {
					reached[name], grown = true, true
					break
				}
			}
		}
	}
	var found []string
	for name := range tests {
		if reached[name] {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found, errors.Join(errs...)
}
