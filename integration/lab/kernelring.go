package lab

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// elsewhere are packages whose tests make network namespaces, and yet do not
// belong in a machine of these flavours.
var elsewhere = map[string]string{
	"ispctl/bench":           "needs libvirt, which these flavours have not",
	"ispctl/integration":     "boots guests: machines in a machine",
	"ispctl/integration/lab": "is the lab",
	"ispctl/internal/docgen": "runs the whole program, with libvirt",
	"ispctl/vm/libvirtd":     "needs libvirt, which these flavours have not",
}

// besides are tests that try a kernel without a network namespace.
var besides = map[string]string{
	"ispctl/images":           "^TestLaws", // on a file system
	"ispctl/internal/testkit": "",          // the probes: all
}

// slow are tests that take a minute or more where every instruction of the
// kernel is emulated. They are for `make test-all`.
var slow = map[string][]string{
	"ispctl/net/firewall": {"TestReplacedUnderFlood"},
	"ispctl/net/nft":      {"TestBigTransaction"}, // 100,000 elements
}

// Fast leaves out the slow tests of what [KernelRing] lists.
func Fast(packages []Package) []Package {
	packages = slices.Clone(packages)
	for i, p := range packages {
		for _, name := range slow[p.Path] {
			packages[i].Skip = append(packages[i].Skip, name)
		}
	}
	return packages
}

// namespace is what a test of the kernel ring calls, be it through others.
const namespace = "NetNS"

// KernelRing lists the packages with tests that try the kernel, and names these
// tests. Who writes a new one need not say so here: it is found by what it
// calls.
func KernelRing(ctx context.Context) ([]Package, error) {
	out, err := goOutput(ctx, "list", buildTags, "-f",
		`{{.ImportPath}} {{.Dir}} {{join .GoFiles " "}} {{join .TestGoFiles " "}} {{join .XTestGoFiles " "}}`, "ispctl/...")
	if err != nil {
		return nil, err
	}
	files := map[string][]string{} // by package
	var helpers []string           // what tests share
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		for _, name := range f[2:] {
			if name = filepath.Join(f[1], name); strings.HasSuffix(name, "_test.go") {
				files[f[0]] = append(files[f[0]], name)
			} else if strings.HasPrefix(f[0], "ispctl/internal/") && strings.Contains(f[0], "test") {
				helpers = append(helpers, name)
			}
		}
	}
	var packages []Package
	for pkg, tests := range files {
		if _, other := elsewhere[pkg]; other {
			continue
		}
		run, kernel := besides[pkg]
		if !kernel {
			names, err := reaching(namespace, append(tests, helpers...))
			if err != nil {
				return nil, err
			}
			kernel, run = len(names) > 0, "^("+strings.Join(names, "|")+")$"
		}
		if kernel {
			packages = append(packages, Package{Path: pkg, Run: run})
		}
	}
	slices.SortFunc(packages, func(a, b Package) int { return strings.Compare(a.Path, b.Path) })
	return packages, nil
}

// reaching are the tests in some files that mention a name, or the name of a
// function that does, and so on. A name that several functions bear counts as
// all of them: a test too many rather than one too few.
func reaching(goal string, files []string) ([]string, error) {
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
				if id, ok := n.(*ast.Ident); ok {
					mentions[f.Name.Name][id.Name] = true
				}
				return true
			})
		}
	}
	// Go on until a round finds nothing new.
	reached := map[string]bool{goal: true}
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
