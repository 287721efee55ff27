package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		ok   bool
		want []string
	}{
		"a pass and a skip": {
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: needs vlan: no such device\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p"}
`, ok: true, want: []string{"skipped: p TestA: needs vlan: no such device", "1 passed, 0 failed, 1 skipped"},
		},
		"a failure shows its output": {
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"boom\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}
`, want: []string{"boom", "0 passed, 1 failed, 0 skipped"},
		},
		"a build that fails": {
			in:   `{"ImportPath":"p","Action":"build-output","Output":"syntax error\n"}` + "\n" + `{"ImportPath":"p","Action":"build-fail"}` + "\n" + `{"Action":"pass","Package":"q","Test":"TestB"}` + "\n",
			want: []string{"syntax error"},
		},
		"no test at all": {in: "", want: []string{"0 passed"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			r := read(strings.NewReader(c.in), &out)
			r.print(&out)
			if r.ok() != c.ok {
				t.Errorf("ok is %t, want %t", r.ok(), c.ok)
			}
			for _, w := range c.want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("lacks %q:\n%s", w, out.String())
				}
			}
		})
	}
}

// events as go test -json prints them: "pass TestA", "fail TestA/x", "pass" for
// the package.
func events(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		action, name, _ := strings.Cut(line, " ")
		fmt.Fprintf(&b, `{"Action":%q,"Package":"p","Test":%q,"Output":%q}`+"\n", action, name, name)
	}
	return b.String()
}

func TestOnceMore(t *testing.T) {
	for name, c := range map[string]struct {
		first, again string
		pattern      string
		ok           bool
	}{
		"passes alone":          {events("pass TestB", "fail TestA/x", "fail TestA", "fail"), events("pass TestA/x", "pass TestA", "pass"), "^(TestA)$", true},
		"fails again":           {events("pass TestB", "fail TestA", "fail"), events("fail TestA", "fail"), "^(TestA)$", false},
		"is skipped":            {events("pass TestB", "fail TestA", "fail"), events("skip TestA", "pass TestC", "pass"), "^(TestA)$", false},
		"does not run":          {events("pass TestB", "fail TestA", "fail TestC", "fail"), events("pass TestA", "pass"), "^(TestA|TestC)$", false},
		"the package dies":      {events("pass TestB", "fail"), events("pass TestA", "pass TestB", "pass"), ".", true},
		"the package dies anew": {events("pass TestB", "fail"), events("pass TestA", "fail"), ".", false},
		"too many":              {events("fail T1", "fail T2", "fail T3", "fail T4", "fail T5", "fail T6", "fail T7", "fail"), "", "", false},
		"does not build":        {events("fail TestA", "fail") + `{"Action":"build-fail","ImportPath":"q"}` + "\n", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := read(strings.NewReader(c.first), io.Discard)
			patterns := r.worthAnother()
			if patterns["p"] != c.pattern {
				t.Fatalf("once more: %q, want %q", patterns["p"], c.pattern)
			}
			if c.pattern != "" {
				r.amend("p", read(strings.NewReader(c.again), io.Discard))
			}
			var out bytes.Buffer
			r.print(&out)
			if r.ok() != c.ok || c.ok != strings.Contains(out.String(), " 0 failed") || c.ok != strings.Contains(out.String(), "passed only when run once more: p") {
				t.Errorf("ok is %t, want %t:\n%s", r.ok(), c.ok, out.String())
			}
		})
	}
}
