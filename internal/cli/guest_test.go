package cli_test

import (
	"strings"
	"testing"
)

// TestGuestExits is of commands that go into a guest.
func TestGuestExits(t *testing.T) {
	reading(t)
	root := world(t)
	for _, e := range []exits{
		{"vm exec web1", 2, "wants the name of a VM, a command"},
		{"vm exec web1 --timeout 0s -- true", 2, "a time that is positive"},
		{"vm exec nope -- true", 3, `vm "nope" not found (have: mail1, web1)`},
		{"vm ssh", 2, "wants the name of a VM, has 0"},
		{"vm ssh web1 uptime", 2, "a command only after --"},
		{"vm ssh nope", 3, `vm "nope" not found (have: mail1, web1)`},
		{"vm ssh web1", 5, "was made before ispctl gave guests their SSH host keys"},
	} {
		e.check(t, root)
	}
}

// TestRollback takes back what does not answer, and nothing else.
func TestRollback(t *testing.T) {
	reading(t)
	root := worldThatConverges(t)
	const create = "vm create web3 --template micro --zone dmz --plan small --wait --timeout 10ms"
	exits{create + " --rollback", 6, `vm "web3": taken back`}.checkCode(t, root)
	if names := ok(t, root, "vm", "list", "-o", "name"); names != "vm/mail1\nvm/web1\n" && names != "mail1\nweb1\n" {
		t.Errorf("there are now:\n%s", names)
	}
	exits{create, 6, "did not answer within"}.checkCode(t, root)
	// What was there before stays there.
	exits{create + " --rollback --if-not-exists", 6, "did not answer"}.checkCode(t, root)
	if names := ok(t, root, "vm", "list", "-o", "name"); !strings.Contains(names, "web3") {
		t.Errorf("there are now:\n%s", names)
	}
}
