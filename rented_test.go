package ispctl_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRentedServers holds every row of docs/rented-servers.md to name tests
// that exist, or to say why there is none.
func TestRentedServers(t *testing.T) {
	text, err := os.ReadFile("docs/rented-servers.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
			tests[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`")
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.Contains(line, "---") || strings.Contains(line, "tried by") {
			continue
		}
		rows++
		by := cells[3]
		names := named.FindAllStringSubmatch(by, -1)
		if len(names) == 0 && !strings.Contains(by, "why not: ") {
			t.Errorf("%s: names no test and no reason", strings.TrimSpace(cells[1]))
		}
		for _, n := range names {
			if !tests[n[1]] {
				t.Errorf("%s: there is no %s", strings.TrimSpace(cells[1]), n[1])
			}
		}
	}
	if rows < 19 {
		t.Errorf("only %d rows", rows)
	}
}
