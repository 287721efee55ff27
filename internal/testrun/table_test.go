package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl/integration/lab"
)

const (
	module   = "../.."
	bookFile = module + "/docs/testing.json"
	pageFile = module + "/docs/testing.md"
)

// TestTableIsCurrent: the page shows the record, and of the packages in it the
// record has the tests that there are.
func TestTableIsCurrent(t *testing.T) {
	rec, err := readRecord(bookFile)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	want, err := splice(page, rec.table())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(page)); diff != "" {
		t.Errorf("docs/testing.md (-docs/testing.json +page); go run ./internal/testrun -record docs/testing.json -stdin </dev/null:\n%s", diff)
	}
	tree, err := treeTests(module)
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]map[string]bool{}
	for ring, col := range rec {
		if _, err := lab.Find(ring); err == nil {
			continue // runs some tests of a package
		}
		for pkg, all := range col.Tests {
			for name := range all {
				if ran[pkg] == nil {
					ran[pkg] = map[string]bool{}
				}
				ran[pkg][name] = true
			}
		}
	}
	count, missing, gone := 0, []string{}, []string{}
	for pkg, names := range tree {
		if ran[pkg] == nil {
			continue // never run: the table says so
		}
		for name := range names {
			if count++; !ran[pkg][name] {
				missing = append(missing, pkg+" "+name)
			}
		}
	}
	for pkg, names := range ran {
		for name := range names {
			if !tree[pkg][name] {
				gone = append(gone, pkg+" "+name)
			}
		}
	}
	// Not one that is new: who adds a test need not run all the others.
	if n := len(missing) + len(gone); n*10 > count {
		slices.Sort(missing)
		missing, gone = missing[:min(len(missing), 20)], gone[:min(len(gone), 20)]
		t.Errorf("of %d tests %d are new or gone since docs/testing.json was written; make test TESTRUN='-record docs/testing.json'\nnever run: %s\ngone: %s",
			count, n, strings.Join(missing, ", "), strings.Join(gone, ", "))
	}
}

// TestFeatures: each test belongs to a row, each row has tests, and each row of
// the README is among them.
func TestFeatures(t *testing.T) {
	tree, err := treeTests(module)
	if err != nil {
		t.Fatal(err)
	}
	have := make([]int, len(features))
	for pkg, names := range tree {
		for name := range names {
			i := featureOf(pkg, name)
			if i < 0 {
				t.Errorf("%s %s belongs to no row", pkg, name)
				continue
			}
			have[i]++
		}
	}
	readme, err := os.ReadFile(module + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range features {
		if have[i] == 0 {
			t.Errorf("there are no tests for %q", f.name)
		}
		if !strings.Contains(string(readme), f.readme) {
			t.Errorf("the README says nothing of %q (%s)", f.readme, f.name)
		}
	}
}

func TestRecord(t *testing.T) {
	all := rings{lab.Package{Path: "ispctl/p", Run: "^(TestKernel)$"}}
	take := func(rec record, p part, lines ...string) {
		in := strings.ReplaceAll(events(lines...), `"Package":"p"`, `"Package":"ispctl/p"`)
		rec.take(p, read(strings.NewReader(in), os.Stderr), all, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	}
	rec := record{}
	take(rec, part{}, "pass TestKernel/a", "skip TestKernel/b", "pass TestKernel", "fail TestPure", "fail")
	take(rec, part{flavour: "debian-12"}, "pass TestKernel", "pass")
	// Too long for this run, and not changed; and one that passes now.
	take(rec, part{}, "skip TestKernel", "pass TestPure", "pass")
	file := t.TempDir() + "/record"
	if err := rec.write(file); err != nil {
		t.Fatal(err)
	}
	got, err := readRecord(file)
	if err != nil {
		t.Fatal(err)
	}
	one := func(name string, c counts) *column {
		return &column{Ran: "2026-01-02", Tests: map[string]map[string]counts{"p": {name: c}}}
	}
	want := record{"kernel": one("TestKernel", counts{2, 0, 1}), "pure": one("TestPure", counts{1, 0, 0}), "debian-12": one("TestKernel", counts{1, 0, 0})}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	rec.forget(map[string]map[string]bool{"p": {"TestKernel": true}})
	if _, there := rec["pure"].Tests["p"]; there {
		t.Error("a test that is gone is kept")
	}
	if data, err := json.Marshal(counts{1, 2, 3}); err != nil || string(data) != "[1,2,3]" {
		t.Errorf("%s, %v", data, err)
	}
	if got := cell(&counts{4, 1, 2}); got != "4, 1 failed, 2 skipped" {
		t.Error(got)
	}
}
