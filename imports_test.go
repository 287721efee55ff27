package ispctl_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// importRules say who may import what, and why. The first row that names a
// package is its rule. Paths are from the module's root; a star stands for any
// rest. Test files are not bound: they hold layers side by side.
var importRules = []struct {
	pkg  string
	may  []string // of ours
	why  string
	deny []string // of others'
}{
	{".", nil, "the domain is beneath everything", []string{"database/sql", "os", "net/http", "github.com/*"}},
	{"converge", []string{"."}, "the engine knows no layer", []string{"github.com/*"}},
	{"zones", []string{"."}, "pure", []string{"os", "github.com/*"}},
	{"templates", []string{"."}, "pure", []string{"github.com/*"}},
	{"state", []string{".", "meter"}, "the only package that writes SQL", nil},
	{"meter/report", []string{".", "meter"}, "pure: figures in, bytes out", []string{"database/sql", "os"}},
	{"meter", []string{"."}, "pure", []string{"database/sql", "os", "github.com/*"}},
	{"images/foreign", []string{"."}, "pure: judges bytes", slices.Concat(layerDenies, []string{"os", "os/exec", "net/*"})},
	{"images/jail", []string{"."}, "processes; knows nothing of disks", layerDenies},
	{"images/fetch", []string{"."}, "files from servers, and who signed them", slices.Concat(layerDenies, []string{"os/exec"})},
	{"images", []string{".", "converge", "images/fetch", "images/foreign", "images/jail"}, "a layer", layerDenies},
	{"vm/libvirtd", []string{".", "converge", "vm"}, "the edge of vm, and the only importer of libvirt", []string{"database/sql", "github.com/spf13/cobra"}},
	{"handover", []string{"."}, "pure: values in, bytes out", []string{"database/sql", "os"}},
	{"vpn/keys", []string{"."}, "secrets as files", layerDenies},
	{"vpn/conf", []string{"."}, "pure: values in, bytes out", []string{"database/sql", "os"}},
	{"vpn", []string{".", "converge", "internal/unixsock", "vpn/keys"}, "a layer", layerDenies},
	{"vm/ksm", []string{".", "converge"}, "a layer", append(layerDenies, "os/exec")},
	{"vm/balloon", []string{"."}, "pure: how memory is shared out", append(layerDenies, "os")},
	{"vm/cgroup", []string{".", "converge"}, "a layer", append(layerDenies, "os/exec")},
	{"vm", []string{".", "converge"}, "a layer, and pure: no libvirt", append(layerDenies, "os/exec")},
	{"net/nft", []string{".", "converge"}, "shared by layers, knows none", layerDenies},
	{"net/firewall", []string{".", "converge", "net/nft"}, "a layer", layerDenies},
	{"net/count", []string{".", "converge", "net/nft"}, "a layer", layerDenies},
	{"net/nat", []string{".", "converge", "net/nft"}, "a layer", layerDenies},
	{"net/wire", []string{".", "net/nft"}, "a layer", layerDenies},
	{"net/track", []string{".", "converge"}, "a layer", layerDenies},
	{"net/flows", nil, "reads the host's connections; knows nothing of ours", layerDenies},
	{"net/bridge", []string{".", "converge", "internal/nlattr"}, "a layer", layerDenies},
	{"net/route", []string{".", "converge"}, "a layer", layerDenies},
	{"qos", []string{".", "converge", "internal/nlattr", "net/nft"}, "a layer", layerDenies},
	{"net/dhcp", []string{".", "converge"}, "a layer", layerDenies},
	{"operations/document", []string{"."}, "pure: text to values and back", []string{"os", "github.com/*"}},
	{"operations", []string{".", "converge", "handover", "images", "internal/prom", "meter", "meter/report", "operations/document", "state", "templates", "vm/balloon", "vpn/conf", "vpn/keys", "zones"}, "what a command does; it is handed the layers", []string{"github.com/spf13/cobra"}},
	{"internal/cli", []string{"*"}, "puts everything together", nil},
	{"cmd/*", []string{"internal/cli"}, "ten lines", nil},
	{"internal/config", []string{"."}, "one file", nil},
	{"internal/prom", nil, "figures to text; knows nothing of ours", []string{"os", "net/*"}},
	{"internal/resident", []string{"."}, "tasks; knows nothing of what they do", nil},
	{"internal/gateway", []string{"."}, "SSH; is handed who is known, and what runs a command", []string{"database/sql", "os/exec"}},
	{"internal/control", []string{".", "internal/unixsock"}, "who asks by the socket; is handed what runs a command", []string{"database/sql", "os/exec", "github.com/*"}},
	{"internal/unixsock", nil, "knows nothing of ours", nil},
	{"internal/scratch", nil, "namespaces; knows nothing of ours", nil},
	{"internal/rehearse", []string{".", "internal/scratch", "net/firewall", "net/nat", "net/nft"}, "the walls of a model, where they harm nobody", nil},
	{"internal/probe", []string{".", "internal/rehearse", "internal/scratch"}, "packets by the walls that stand", nil},
	{"internal/nlattr", nil, "what netlink answers; knows nothing of ours", nil},
	{"internal/drift", nil, "what the kernel says; knows nothing of ours", nil},
	{"internal/doctor", []string{".", "zones"}, "examines a host; is handed what it examines by", nil},
	{"internal/guard", nil, "processes; knows nothing of ours", nil},
	{"internal/demo", []string{".", "handover", "internal/netns"}, "works through the program, as a user would", nil},
	{"internal/netns", nil, "knows nothing of ours", nil},
	{"internal/testkit", nil, "knows nothing of ours", nil},
	{"internal/testrun", []string{"integration/lab"}, "a program of its own; the lab knows which tests try the kernel", nil},
	{"internal/docgen", []string{"internal/cli"}, "a program of its own", nil},
	{"internal/convergetest", []string{".", "converge"}, "the laws, callable on any layer", nil},
	{"internal/nfttest", []string{".", "internal/convergetest", "internal/testkit", "net/nft"}, "for the tests of layers on nftables", nil},
	{"integration", []string{"*"}, "tests across layers", nil},
	{"integration/xen", []string{"internal/netns", "vm"}, "a scenario by the program itself; vm knows dom0", nil},
	{"integration/systemd", []string{"internal/netns"}, "a scenario by the program itself", nil},
	{"integration/lab/labrun", []string{"images", "integration/lab"}, "brings the image of guests, for which there is no mirror in the lab", nil},
	{"integration/lab*", []string{"integration/lab"}, "knows nothing of ours: what it runs, it finds by go list", nil},
	{"bench", []string{"*"}, "measures across layers", nil},
}

// layerDenies keep layers from the database, the command line and libvirt.
var layerDenies = []string{"database/sql", "github.com/spf13/cobra", "libvirt.org/go/libvirt", "ispctl/state"}

func TestImportRules(t *testing.T) {
	seen := map[string]bool{}
	for file, imports := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		pkg := path.Dir(file)
		rule := slices.IndexFunc(importRules, func(r struct {
			pkg  string
			may  []string
			why  string
			deny []string
		},
		) bool {
			return matches(r.pkg, pkg)
		})
		if rule < 0 {
			t.Errorf("%s: package %s has no row in importRules: say what it may import, and why", file, pkg)
			continue
		}
		r := importRules[rule]
		seen[r.pkg] = true
		for _, imported := range imports {
			if imported == "libvirt.org/go/libvirt" && pkg != "vm/libvirtd" {
				t.Errorf("%s imports libvirt: only vm/libvirtd may", file)
			}
			if ours, ok := ourPackage(imported); ok {
				if !slices.ContainsFunc(r.may, func(p string) bool { return matches(p, ours) }) {
					t.Errorf("%s imports %s, which %s may not: %s", file, ours, pkg, r.why)
				}
			} else if slices.ContainsFunc(r.deny, func(p string) bool { return matches(p, imported) }) {
				t.Errorf("%s imports %s, which %s may not: %s", file, imported, pkg, r.why)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d rules met a package: the walk is broken", len(seen))
	}
}

// TestNetIsANamespace keeps our net/ from shadowing the standard library's.
func TestNetIsANamespace(t *testing.T) {
	files, err := filepath.Glob("net/*.go")
	if err != nil || len(files) > 0 {
		t.Errorf("Go files directly in net/: %v, %v", files, err)
	}
}

func matches(pattern, s string) bool {
	if head, wild := strings.CutSuffix(pattern, "*"); wild {
		return strings.HasPrefix(s, head)
	}
	return pattern == s
}

// ourPackage is an import path from the module's root.
func ourPackage(imported string) (string, bool) {
	if imported == "ispctl" {
		return ".", true
	}
	return strings.CutPrefix(imported, "ispctl/")
}

// goFiles are all Go files of the module with what they import.
func goFiles(t *testing.T) map[string][]string {
	t.Helper()
	files := map[string][]string{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || file == "tools") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files[file] = []string{}
		for _, i := range parsed.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			files[file] = append(files[file], p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
