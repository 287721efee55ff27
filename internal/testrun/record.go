package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"ispctl/integration/lab"
)

// counts are those of a test and its subtests.
type counts struct{ Passed, Failed, Skipped int }

// MarshalJSON keeps the file small.
func (c counts) MarshalJSON() ([]byte, error) {
	return json.Marshal([3]int{c.Passed, c.Failed, c.Skipped})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *counts) UnmarshalJSON(data []byte) error {
	var n [3]int
	err := json.Unmarshal(data, &n)
	c.Passed, c.Failed, c.Skipped = n[0], n[1], n[2]
	return err
}

func (c *counts) add(o counts) {
	c.Passed, c.Failed, c.Skipped = c.Passed+o.Passed, c.Failed+o.Failed, c.Skipped+o.Skipped
}

// record is what came of each test the last time that it ran, by ring or
// flavour, package and name: what the table in docs/testing.md is made from.
type record map[string]*column

type column struct {
	Ran   string                       // the day of the last run
	Tests map[string]map[string]counts // by package, from the module's root
}

func readRecord(file string) (record, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return nil, err
	}
	rec := record{}
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return rec, nil
}

// write has a line for each package, so that a difference can be read.
func (rec record) write(file string) error {
	data, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	data = bytes.ReplaceAll(data, []byte(`},"`), []byte("},\n\""))
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

// take puts the tests that a part ran in the place of what was known of them.
func (rec record) take(p part, r *result, rings rings, day time.Time) {
	for t, c := range r.each {
		pkg := fromRoot(t.pkg)
		name := p.flavour
		if name == "" {
			name = rings.of(pkg, t.name)
		}
		col := rec[name]
		if col == nil {
			col = &column{Tests: map[string]map[string]counts{}}
			rec[name] = col
		}
		if col.Tests[pkg] == nil {
			col.Tests[pkg] = map[string]counts{}
		}
		// One that was skipped this time and has run before was too long for
		// this run; what is known of it stays.
		if c.Passed == 0 && c.Failed == 0 && col.Tests[pkg][t.name].Passed > 0 {
			continue
		}
		col.Tests[pkg][t.name] = *c
		col.Ran = day.UTC().Format(time.DateOnly)
	}
}

// forget drops tests that the module has no more.
func (rec record) forget(tree map[string]map[string]bool) {
	for _, col := range rec {
		for pkg, all := range col.Tests {
			for name := range all {
				if !tree[pkg][name] {
					delete(all, name)
				}
			}
			if len(all) == 0 {
				delete(col.Tests, pkg)
			}
		}
	}
}

func fromRoot(pkg string) string {
	if rest, below := strings.CutPrefix(pkg, "ispctl/"); below {
		return rest
	}
	return "."
}

// rings tell by which means a test on this host works.
type rings []lab.Package

func (all rings) of(pkg, name string) string {
	switch {
	case pkg == "integration" || pkg == "bench" || strings.HasPrefix(pkg, "integration/"):
		return "guest"
	case pkg == "vm/libvirtd":
		return "libvirt"
	}
	for _, p := range all {
		if fromRoot(p.Path) == pkg && p.Takes(name) {
			return "kernel"
		}
	}
	return "pure"
}

// testFunc is the head of a test.
var testFunc = regexp.MustCompile(`(?m)^func (Test[A-Z0-9]\w*)\(`)

// treeTests are the tests that the module has, by package.
func treeTests(root string) (map[string]map[string]bool, error) {
	tree := map[string]map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "tools"):
			return filepath.SkipDir
		case !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		for _, m := range testFunc.FindAllSubmatch(data, -1) {
			if string(m[1]) == "TestMain" {
				continue
			}
			if tree[pkg] == nil {
				tree[pkg] = map[string]bool{}
			}
			tree[pkg][string(m[1])] = true
		}
		return nil
	})
	return tree, err
}

// recorder keeps a record's file, and the page beside it.
type recorder struct {
	file  string
	rings rings
	tree  map[string]map[string]bool
}

// openRecord has to be called at the module's root, as all of this.
func openRecord(ctx context.Context, file string) (*recorder, error) {
	found, err := lab.KernelRing(ctx)
	if err != nil {
		return nil, err
	}
	tree, err := treeTests(".")
	return &recorder{file, found, tree}, err
}

// take writes what a part has shown. A record that cannot be written is said,
// and makes no test fail.
func (k *recorder) take(p part, r *result, out io.Writer) {
	rec, err := readRecord(k.file)
	if err == nil {
		rec.take(p, r, k.rings, time.Now())
		rec.forget(k.tree)
		err = rec.write(k.file)
	}
	if err == nil {
		err = writeTable(filepath.Join(filepath.Dir(k.file), "testing.md"), rec.table())
	}
	if err != nil {
		fmt.Fprintln(out, "not recorded:", err)
	}
}
