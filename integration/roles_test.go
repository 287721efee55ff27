package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ispctl/operations"
)

// TestRoles: users of the host who are not root come in by the socket of serve, as
// what their groups make them, and the journal says who they are.
func TestRoles(t *testing.T) {
	w := newWorld(t, "test:///default")
	// Groups of every Debian, in the place of ispctl and ispctl-audit.
	w.ok("init", "--netns", w.provider, "--hypervisor", "test:///default", "--uplink", "eth0", "--address", host+"/24", "--gateway", gateway, "--operators", "staff", "--auditors", "games")
	everybodys := filepath.Join(w.root, "ispctl")
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(everybodys, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	gid := func(name string) uint32 {
		g, err := user.LookupGroup(name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseUint(g.Gid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(n)
	}
	as := func(group uint32, stdin string, args ...string) result {
		cmd := exec.Command(everybodys, append([]string{"--root", w.root}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321, Groups: []uint32{group}}}
		cmd.Stdin = strings.NewReader(stdin)
		cmd.Dir = "/"
		return resultOf(t, cmd)
	}
	operators, auditors, nobody := gid("staff"), gid("games"), gid("nogroup")
	if r := as(operators, "", "zone", "list"); r.code != 4 {
		t.Errorf("without serve: %+v", r)
	}
	s := w.serve()
	s.says("converge: ")
	soon(t, "serve answers", func() bool { return as(operators, "", "zone", "list").code == 0 })

	if r := as(operators, "", "zone", "create", "dmz", "--prefix", "10.10.0.0/24"); r.code != 0 || !strings.Contains(r.out, "zone dmz") {
		t.Errorf("an operator: %+v", r)
	}
	if r := as(operators, "version: 1\nplans: [{name: tiny, cpus: 1, memory: 128MiB, disk: 256MiB}]\n", "apply", "-f", "-"); r.code != 0 {
		t.Errorf("an operator applies: %+v", r)
	}
	var rows []operations.AuditView
	w.show(&rows, "audit", "list", "--limit", "2")
	for _, row := range rows {
		if row.UID != 54321 || row.Actor != "54321" || row.Role != "operator" || row.Source != "socket" {
			t.Errorf("the journal says %+v", row)
		}
	}
	var zones []operations.ZoneView
	if r := as(auditors, "", "zone", "list", "-o", "json"); r.code != 0 || json.Unmarshal([]byte(r.out), &zones) != nil || len(zones) != 1 {
		t.Errorf("an auditor: %+v", r)
	}
	for _, tt := range []struct {
		who  uint32
		args []string
		code int
		says string
	}{
		{auditors, []string{"zone", "delete", "dmz"}, 4, "you are an auditor; ask an operator"},
		{auditors, []string{"doctor", "--fix"}, 4, "--fix is not for an auditor"},
		{auditors, []string{"report", "monthly", "--output", "/tmp/x"}, 4, "names a file"},
		{operators, []string{"apply", "-f", "/etc/shadow"}, 4, "names a file"},
		{operators, []string{"zone", "show", "nope"}, 3, "not found (have: dmz)"},
		{operators, []string{"zone", "lisp"}, 2, "did you mean: list"},
		{operators, []string{"vm", "ssh", "web1"}, 4, ""},
		{nobody, []string{"zone", "list"}, 4, "is in neither group, staff nor games"},
		{nobody, []string{"version"}, 0, ""},
	} {
		if r := as(tt.who, "", tt.args...); r.code != tt.code || !strings.Contains(r.err, tt.says) {
			t.Errorf("%v: %+v, want %d and %q", tt.args, r, tt.code, tt.says)
		}
	}
	w.ok("zone", "show", "dmz") // it is there still
	w.ok("audit", "verify")
	if code := s.end(unix.SIGTERM); code != 0 {
		t.Errorf("serve ends with %d", code)
	}
}
