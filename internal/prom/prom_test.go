package prom_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl/internal/prom"
)

func TestWrite(t *testing.T) {
	bytes := prom.Family{Name: "a_bytes_total", Help: "Two\nlines, and a \\.", Kind: prom.Counter, Labels: []string{"vm", "direction"}}
	bytes.Add(18446744073709551615, "web1", "in")
	bytes.Add(0, "a\"b\\c\nd", "out")
	up := prom.Family{Name: "up", Help: "Bare.", Kind: prom.Gauge}
	up.Add(1)
	var b strings.Builder
	if err := prom.Write(&b, []prom.Family{bytes, up}); err != nil {
		t.Fatal(err)
	}
	want := `# HELP a_bytes_total Two\nlines, and a \\.
# TYPE a_bytes_total counter
a_bytes_total{vm="web1",direction="in"} 18446744073709551615
a_bytes_total{vm="a\"b\\c\nd",direction="out"} 0
# HELP up Bare.
# TYPE up gauge
up 1
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
