package cli_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"ispctl/internal/cli"
	"ispctl/internal/testkit"
)

// shows are the commands that print data, by the golden of each noun.
var shows = map[string][]string{
	"address":  {"address list"},
	"forward":  {"forward list"},
	"image":    {"image list", "image show micro", "image catalogue"},
	"plan":     {"plan list", "plan show small"},
	"tenant":   {"tenant list", "tenant show acme", "tenant key list acme"},
	"template": {"template list", "template show micro"},
	"vm":       {"vm list", "vm show web1", "vm show mail1"},
	"vpn":      {"vpn status", "vpn peer list", "vpn peer show ann"},
	"zone":     {"zone list", "zone show dmz", "zone show mail", "zone policy list", "zone check dmz mail tcp/25"},
}

var formats = []string{"table", "wide", "json", "yaml", "csv", "name"}

func TestOutput(t *testing.T) {
	root := world(t)
	for noun, commands := range shows {
		t.Run(noun, func(t *testing.T) {
			reading(t)
			var b strings.Builder
			for _, command := range commands {
				for _, format := range formats {
					args := append(strings.Fields(command), "-o", format)
					fmt.Fprintf(&b, "$ ispctl %s\n%s\n", strings.Join(args, " "), ok(t, root, args...))
				}
			}
			testkit.Golden(t, noun+".txt", steady(b.String(), root))
		})
	}
}

// TestFormatsAgree reads what was printed as what it says it is: YAML and JSON
// are the same values, and CSV and names have a line for each of them.
func TestFormatsAgree(t *testing.T) {
	root := world(t)
	for noun, commands := range shows {
		t.Run(noun, func(t *testing.T) {
			reading(t)
			for _, command := range commands {
				in := func(format string) string { return ok(t, root, append(strings.Fields(command), "-o", format)...) }
				var fromJSON, fromYAML any
				check(t, json.Unmarshal([]byte(in("json")), &fromJSON))
				check(t, yaml.Load([]byte(in("yaml")), &fromYAML))
				again, err := json.Marshal(fromYAML)
				check(t, err)
				first, err := json.Marshal(fromJSON)
				check(t, err)
				if string(again) != string(first) {
					t.Errorf("%s: YAML says %s and JSON %s", command, again, first)
				}
				n := 1
				if all, list := fromJSON.([]any); list {
					n = len(all)
				}
				rows, err := csv.NewReader(strings.NewReader(in("csv"))).ReadAll()
				if err != nil || len(rows) != n+1 {
					t.Errorf("%s: %d rows of CSV for %d values, %v", command, len(rows), n, err)
				}
				if names := strings.Fields(in("name")); len(names) < n {
					t.Errorf("%s: %d names for %d values", command, len(names), n)
				}
			}
		})
	}
}

// TestJSONOnlyGrows holds the names of all fields against those that were there
// before. -update adds names and never takes one out: scripts depend on them.
func TestJSONOnlyGrows(t *testing.T) {
	root := world(t)
	reading(t)
	have := map[string]bool{}
	for _, commands := range shows {
		for _, command := range commands {
			collect(t, have, command, ok(t, root, append(strings.Fields(command), "-o", "json")...))
		}
	}
	collect(t, have, "status", ok(t, root, "status", "-o", "json"))
	// What a kernel lacks is another matter on another one.
	maps.DeleteFunc(have, func(field string, _ bool) bool { return strings.HasPrefix(field, "status: fallbacks[]") })
	collect(t, have, "top", ok(t, root, "top", "--once", "--interval", "200ms", "-o", "json"))
	known, err := os.ReadFile("testdata/json-fields.txt")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, field := range strings.Split(strings.TrimSpace(string(known)), "\n") {
		if field != "" && !have[field] {
			t.Errorf("field %q is gone", field)
			have[field] = true
		}
	}
	testkit.Golden(t, "json-fields.txt", strings.Join(slices.Sorted(maps.Keys(have)), "\n")+"\n")
}

// collect adds the path of each field: `vm show web1: phases[].at`.
func collect(t *testing.T, have map[string]bool, command, text string) {
	t.Helper()
	words := strings.Fields(command)
	kind := strings.Join(words[:min(2, len(words))], " ")
	var value any
	check(t, json.Unmarshal([]byte(text), &value))
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for name, inside := range v {
				field := strings.TrimPrefix(path+"."+name, ".")
				have[kind+": "+field] = true
				walk(field, inside)
			}
		case []any:
			for _, inside := range v {
				walk(path+"[]", inside)
			}
		}
	}
	walk("", value)
}

// TestExport gives what was exported back: the host is not as wanted, but of
// intent nothing changes.
func TestExport(t *testing.T) {
	reading(t)
	root := world(t)
	text := ok(t, root, "export")
	testkit.Golden(t, "export.yaml", text)
	r := runWith(t, root, cli.Streams{In: strings.NewReader(text)}, "apply", "-f", "-", "--prune", "--dry-run")
	if r.code != 0 || !strings.HasPrefix(r.out, "install -d") {
		t.Errorf("exit %d; the first change is one of intent, or there is none:\n%s%s", r.code, r.out, r.err)
	}
}

func TestUnknownFormat(t *testing.T) {
	root := world(t)
	for noun, commands := range shows {
		for _, command := range commands {
			r := run(t, root, append(strings.Fields(command), "-o", "xml")...)
			if r.code != 2 || !strings.Contains(r.err, "have: table, wide, json") || r.out != "" {
				t.Errorf("%s: %s: exit %d\n%s%s", noun, command, r.code, r.out, r.err)
			}
		}
	}
}

// TestUsageIsWired reads counters and shows usage through the command line:
// each part is tested by itself, and of no use unless they are put together.
func TestUsageIsWired(t *testing.T) {
	root := world(t)
	reading(t)
	ok(t, root, "usage", "sample")
	if got := ok(t, root, "usage", "-o", "json"); got != "[]\n" {
		t.Errorf("nothing has passed, but: %s", got)
	}
	ok(t, root, "report", "monthly")
}
