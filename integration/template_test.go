package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostileTemplate puts what YAML, tar, xargs and shells have meanings for into
// files and steps, and marks what would have run.
const hostileTemplate = `name: own
from: micro
plan: tiny
files:
- {path: "/srv/$(touch PWNED) '; x", mode: 600, content: "$(touch /pwned)\n'; touch /pwned; '\n"}
steps:
- run: [sh, -c, 'printf "%s|" "$@" >/srv/args', x, "; touch /pwned", "$(touch /pwned)", "two\nlines", "", "-n", "*"]
- script: |
    #!/bin/sh
    echo "$0" >>/srv/script
- run: ["false"]
- run: [cp, /etc/hostname, /srv/after-a-failure]
`

// TestTemplate makes a real guest from a template of the operator's.
func TestTemplate(t *testing.T) {
	t.Parallel() // it waits for guests, mostly
	w := newWorld(t, "embed")
	dir := filepath.Join(w.root, "etc/ispctl/templates")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "own.yaml"), []byte(hostileTemplate), 0o644); err != nil {
		t.Fatal(err)
	}
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "tiny", "--memory", "128MiB", "--disk", "256MiB")
	w.ok("vm", "create", "web1", "--template", "own", "--zone", "dmz", "--ssh-key", w.key+".pub", "--wait")
	if out := w.ok("template", "show", "own", "--render", "web1"); !strings.Contains(out, `local-hostname: "web1"`) {
		t.Errorf("rendered: %s", out)
	}
	for command, want := range map[string]string{
		`cat "/srv/\$(touch PWNED) '; x"; stat -c %a:%U /srv/*PWNED*`: "$(touch /pwned)\n'; touch /pwned; '\n600:root",
		"cat /srv/args": "; touch /pwned|$(touch /pwned)|two\nlines||-n|*|",
		"cat /srv/script; ls /srv/after-a-failure":   "/var/lib/ispctl/step-002\n/srv/after-a-failure",
		"ls /pwned /PWNED 2>&1 | grep -vc 'No such'": "0",
	} {
		if out, err := w.ssh(w.provider, "10.10.0.2", "22", command); strings.TrimSpace(out) != want {
			t.Errorf("%s: %q, want %q (%v)", command, out, want, err)
		}
	}
	w.ok("vm", "stop", "web1")
	w.ok("vm", "start", "web1", "--wait")
	if out, err := w.ssh(w.provider, "10.10.0.2", "22", "wc -l </srv/script"); err != nil || strings.TrimSpace(out) != "1" {
		t.Errorf("the script ran %s times (%v)", out, err)
	}
	if log := w.ok("vm", "logs", "web1", "-n", "0"); strings.Count(log, "micro: step 003 has failed") != 1 {
		t.Errorf("log: %.2000s", log)
	}
}
