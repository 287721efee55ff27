package cli_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/internal/cli"
	"ispctl/state"
)

// houses is a world in which web1 is acme's, away1 is other's, and mail1 the
// operator's own.
func houses(t *testing.T) (root string) {
	t.Helper()
	root = world(t)
	s, err := state.Open(t.Context(), inst, ispctl.Paths{Root: root})
	check(t, err)
	_, err = s.Update(t.Context(), state.Entry{Actor: "test", Operation: "test"}, func(tx *state.Tx) error {
		check(t, tx.PutTenant(ispctl.Tenant{Name: "other"}))
		check(t, tx.PutAddress(ispctl.Address{Addr: netip.MustParseAddr("203.0.113.77")}))
		away := guest("away1", "mail", "10.20.0.3", 3)
		away.Tenant = "other"
		_, err := tx.InsertVM(away)
		return err
	})
	check(t, err)
	check(t, s.Close())
	return root
}

// asTenant gives words as the gateway would.
func asTenant(t *testing.T, root, tenant, words string) result {
	t.Helper()
	args := []string{"gateway", "session", "--tenant", tenant, "--from", "192.0.2.1:2000", "--key", "SHA256:x", "--"}
	return run(t, root, append(args, strings.Fields(words)...)...)
}

// tenantCommands is each command a tenant has, as it is asked of a VM; @ stands
// for the name.
var tenantCommands = map[string]string{
	"vm list": "", "vm show": "vm show @", "vm start": "vm start @", "vm stop": "vm stop @", "vm restart": "vm restart @",
	"vm rebuild": "vm rebuild @ --yes", "vm console": "vm console @", "usage": "usage @", "report": "",
}

// TestTenantSeesItsOwn: each command against a VM of another tenant, or of the
// operator, is answered as one against a VM that never was, to the byte.
func TestTenantSeesItsOwn(t *testing.T) {
	root := houses(t)
	reading(t)
	leaves := map[string]bool{}
	for _, c := range cli.TenantTree().Commands() {
		walkLeaves(c, "", leaves)
	}
	for path := range leaves {
		if _, there := tenantCommands[path]; !there {
			t.Errorf("a tenant has the command %q, and this table has no row for it", path)
		}
	}
	before := ok(t, root, "export")
	for path, words := range tenantCommands {
		if !leaves[path] {
			t.Errorf("there is no command %q", path)
		}
		if words == "" {
			continue
		}
		t.Run(path, func(t *testing.T) {
			ghost := asTenant(t, root, "acme", strings.ReplaceAll(words, "@", "ghost1"))
			if ghost.code != 3 || ghost.out != "" || !strings.Contains(ghost.err, `vm "ghost1" not found (have: web1)`) {
				t.Errorf("what is not there: exit %d\n%s%s", ghost.code, ghost.out, ghost.err)
			}
			for _, name := range []string{"away1", "mail1"} {
				got := asTenant(t, root, "acme", strings.ReplaceAll(words, "@", name))
				got.err = strings.ReplaceAll(got.err, name, "ghost1")
				if got != ghost {
					t.Errorf("%s is answered otherwise than what is not there:\n%+v\n%+v", name, got, ghost)
				}
			}
		})
	}
	// A zone, an address and a file are nothing either.
	for _, name := range []string{"dmz", "mail", "zone/mail", "203.0.113.77", "vm/away1", "../etc/passwd"} {
		if r := asTenant(t, root, "acme", "usage "+name); r.code != 3 || !strings.Contains(r.err, "not found (have: web1)") {
			t.Errorf("usage %s: %+v", name, r)
		}
	}
	if after := ok(t, root, "export"); after != before {
		t.Error("a command against another's VM changed something")
	}
}

func walkLeaves(c *cobra.Command, path string, into map[string]bool) {
	path = strings.TrimSpace(path + " " + c.Name())
	if !c.HasSubCommands() && c.Name() != "help" {
		into[path] = true
	}
	for _, sub := range c.Commands() {
		walkLeaves(sub, path, into)
	}
}

// TestTenantHearsOfNobody: nothing that a tenant is told has a name in it that is
// not its own.
func TestTenantHearsOfNobody(t *testing.T) {
	root := houses(t)
	reading(t)
	for _, words := range []string{
		"vm list", "vm list -o json", "vm list -o wide", "vm list -o yaml", "vm show web1", "vm show web1 -o json", "usage", "usage -o json", "usage web1", "report", "report -o json", "report -o html", "report -o csv",
		"help", "vm", "vm help", "", "zone list", "tenant list", "export", "vm create x", "vm list --root /", "vm show web1 --lock-timeout 1s", "report --output /tmp/x", "gateway session", "vm lisp", "report --month x", "usage --by x",
	} {
		r := asTenant(t, root, "acme", words)
		for _, secret := range []string{"away", "other\"", "mail1", "mail", "203.0.113.77", "isp-", root} {
			if strings.Contains(r.out+r.err, secret) {
				t.Errorf("%q says %q:\n%s%s", words, secret, r.out, r.err)
			}
		}
	}
	if r := asTenant(t, root, "acme", "vm list -o name"); r.out != "web1\n" {
		t.Errorf("its VMs: %+v", r)
	}
	if r := asTenant(t, root, "other", "vm list -o name"); r.out != "away1\n" {
		t.Errorf("the other's VMs: %+v", r)
	}
	for _, words := range []string{"zone list", "tenant list", "export", "vm create x", "vm list --root /", "demo up", "vm rebuild web1", "vm ssh web1", "serve"} {
		if r := asTenant(t, root, "acme", words); r.code != 2 {
			t.Errorf("%q: exit %d\n%s%s", words, r.code, r.out, r.err)
		}
	}
}
