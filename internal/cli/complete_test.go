package cli_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl/internal/testkit"
)

// TestComplete asks as the shell does; the last word is the one to complete.
func TestComplete(t *testing.T) {
	root := world(t)
	for line, want := range map[string][]string{
		"zone show ":                       {"dmz", "mail"},
		"zone show d":                      {"dmz", "mail"}, // the shell picks
		"zone delete ":                     {"dmz", "mail"},
		"zone show dmz ":                   {},
		"zone create ":                     {},
		"zone create x --snat ":            {"203.0.113.10"},
		"vm show ":                         {"mail1", "web1"},
		"vm destroy web1 ":                 {"mail1", "web1"},
		"vm create x --zone ":              {"dmz", "mail"},
		"vm create x --plan ":              {"small"},
		"vm create x --template ":          {"debian-12", "debian-13", "micro"},
		"vm list -o ":                      formats,
		"plan show ":                       {"small"},
		"address remove ":                  {"203.0.113.10"},
		"forward remove ":                  {"203.0.113.10:2222/tcp"},
		"forward add ":                     {"203.0.113.10"},
		"forward add 203.0.113.10:25/tcp ": {"mail1", "web1"},
		"image remove ":                    {"micro"},
		"image build ":                     {"debian-12", "debian-13", "micro"},
		"vpn peer show ":                   {"ann"},
		"vpn config ":                      {"ann"},
		"vpn config ann -o ":               {"conf", "qr", "png"},
		"template show ":                   {"debian-12", "debian-13", "micro"},
		"completion ":                      {"bash", "zsh", "fish"},
		"init --hypervisor ":               {"embed", "system", "xen", "xen-pvh", "xen-hvm", "test:///default"},
	} {
		words := strings.Fields(line)
		if strings.HasSuffix(line, " ") {
			words = append(words, "")
		}
		got := completions(t, root, words...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ispctl %s<TAB> (-want +got):\n%s", line, diff)
		}
	}
}

// TestCompleteWithoutDatabase is silent: nobody wants an error in the middle of
// a line.
func TestCompleteWithoutDatabase(t *testing.T) {
	if got := completions(t, t.TempDir(), "zone", "show", ""); len(got) != 0 {
		t.Errorf("offers %q", got)
	}
}

// completions are the words that are offered, without file names.
func completions(t *testing.T, root string, words ...string) []string {
	t.Helper()
	// The flag comes after __complete, as it does on the line that is completed.
	args := append([]string{"__complete", "--root", root}, words...)
	r := runWith(t, root, streams(), args...)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	const noFiles = ":4"
	if r.code != 0 || lines[len(lines)-1] != noFiles {
		t.Errorf("%q: exit %d\n%s%s", words, r.code, r.out, r.err)
	}
	names := []string{}
	for _, line := range lines[:len(lines)-1] {
		name, _, _ := strings.Cut(line, "\t")
		names = append(names, name)
	}
	return names
}

// TestCompletionScripts has each shell that is here parse its script.
func TestCompletionScripts(t *testing.T) {
	for shell, argv := range map[string][]string{"bash": {"bash", "-n"}, "zsh": {"zsh", "-n"}, "fish": {"fish", "-n"}} {
		t.Run(shell, func(t *testing.T) {
			script := ok(t, t.TempDir(), "completion", shell)
			if !strings.Contains(script, "ispctl") || !strings.Contains(script, "__complete") {
				t.Errorf("no completion script of ours:\n%.200s", script)
			}
			testkit.Need(t, program(argv[0]))
			testkit.Sh(t, append(argv, write(t, script))...)
		})
	}
}

func TestVersion(t *testing.T) {
	fields := strings.Fields(ok(t, t.TempDir(), "version"))
	if len(fields) < 3 || fields[0] != "ispctl" || !strings.Contains(fields[1], ".") || !strings.HasPrefix(fields[len(fields)-1], "go1.") {
		t.Errorf("version: %q", fields)
	}
}
