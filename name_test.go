package ispctl_test

import (
	"regexp"
	"strings"
	"testing"

	"ispctl"
)

// label is RFC 1035, section 2.3.1, for lower case.
var label = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

func TestParseName(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     string // of the error; empty: it is a name
	}{
		{"one letter", "a", ""},
		{"letters, digits, hyphens", "web-1a", ""},
		{"two hyphens", "a--b", ""},
		{"63 bytes", strings.Repeat("a", 63), ""},
		{"empty", "", `zone: the name is empty`},
		{"64 bytes", strings.Repeat("a", 64), "is longer than 63 bytes"},
		{"digit first", "1web", `zone "1web": the name does not start with a lower-case letter`},
		{"hyphen first", "-web", "does not start with"},
		{"hyphen last", "web-", `zone "web-": the name ends with a hyphen`},
		{"upper case", "Web", "does not start with"},
		{"upper case inside", "wEb", "has a character"},
		{"dot", "web.example", "has a character"},
		{"slash", "a/../b", "has a character"},
		{"space", "a b", "has a character"},
		{"new line", "a\n", "has a character"},
		{"NUL", "a\x00b", "has a character"},
		{"letters of others", "a\u00e9", "has a character"},
		{"no UTF-8", "a\xff", "has a character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ispctl.ParseName("zone", tt.in)
			if tt.want == "" {
				if err != nil || string(got) != tt.in {
					t.Errorf("want %q, have %q, %v", tt.in, got, err)
				}
				return
			}
			refused(t, err, ispctl.Usage, tt.want, "use a DNS label")
		})
	}
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"", "a", "web-1", "-", "a-", "1", "A", "a.b", "a\x00", "\u00e9", strings.Repeat("x", 64)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ispctl.ParseName("vm", s)
		if valid := label.MatchString(s); valid != (err == nil) {
			t.Fatalf("%q: a label is %v, the error is %v", s, valid, err)
		}
		if err == nil && string(name) != s {
			t.Fatalf("%q became %q", s, name)
		}
	})
}

// refused wants an error of a kind that says all of that.
func refused(t testing.TB, err error, kind ispctl.ErrorKind, say ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("want an error that says %q, have none", say)
	}
	if ispctl.KindOf(err) != kind {
		t.Errorf("want kind %d, have %d: %v", kind, ispctl.KindOf(err), err)
	}
	for _, want := range say {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %q", want, err)
		}
	}
}
