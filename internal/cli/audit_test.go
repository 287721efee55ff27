package cli_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"ispctl"
	"ispctl/operations"
)

// TestAudit: what is asked is in the journal with who asked, the chain holds, a
// head that was printed is known again, and another one is not.
func TestAudit(t *testing.T) {
	root := world(t)
	reading(t)
	var rows []operations.AuditView
	check(t, json.Unmarshal([]byte(ok(t, root, "audit", "list", "-o", "json")), &rows))
	if len(rows) != 1 || rows[0].Operation != "test" {
		t.Fatalf("%+v", rows)
	}
	said := ok(t, root, "audit", "verify")
	_, head, _ := strings.Cut(strings.TrimSpace(said), "head ")
	ok(t, root, "audit", "verify", "--head", head)
	if r := run(t, root, "audit", "verify", "--head", "1:"+strings.Repeat("0", 64)); r.code != 1 || !strings.Contains(r.out, "has another hash") {
		t.Errorf("another head: exit %d\n%s%s", r.code, r.out, r.err)
	}
	for _, bad := range []string{"x", "1", "1:ff", "0:" + strings.Repeat("0", 64), "1:" + strings.Repeat("Z", 64)} {
		if r := run(t, root, "audit", "verify", "--head", bad); r.code != 2 {
			t.Errorf("head %q: exit %d", bad, r.code)
		}
	}
	if lines := strings.Count(ok(t, root, "audit", "export"), "\n"); lines != 1 {
		t.Errorf("%d lines for one row", lines)
	}
	check(t, os.Remove(ispctl.Paths{Root: root}.JournalHead()))
	if r := run(t, root, "audit", "verify"); r.code != 1 || !strings.Contains(r.out, "is missing") {
		t.Errorf("without the file: exit %d\n%s%s", r.code, r.out, r.err)
	}
}
