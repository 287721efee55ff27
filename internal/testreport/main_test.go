package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
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
			if ok := report(strings.NewReader(c.in), &out); ok != c.ok {
				t.Errorf("ok is %t, want %t", ok, c.ok)
			}
			for _, w := range c.want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("lacks %q:\n%s", w, out.String())
				}
			}
		})
	}
}
