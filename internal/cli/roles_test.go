package cli

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ispctl"
	"ispctl/state"
)

// leaves are all commands of a tree that do something, by their paths.
func leaves(root *cobra.Command) map[string]*cobra.Command {
	all := map[string]*cobra.Command{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if !c.HasSubCommands() || c.Annotations[RunsByItself] != "" {
			all[commandPath(c)] = c
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return all
}

// TestEveryCommandHasRoles: each command of both trees has one row of the table,
// and each row's commands are there.
func TestEveryCommandHasRoles(t *testing.T) {
	tree, tenants := leaves(Tree()), leaves((&app{}).tenantTree("", state.Asker{}))
	rows := map[string]int{}
	for _, row := range accessTable {
		of, whose := tree, "of ours"
		if slices.Contains(row.roles, roleTenant) {
			of, whose = tenants, "of the tenants'"
		}
		for _, path := range row.commands {
			if of[path] == nil {
				t.Errorf("%q is no command %s: take it out of accessTable", path, whose)
			}
			rows[whose+path]++
		}
	}
	for whose, of := range map[string]map[string]*cobra.Command{"of ours": tree, "of the tenants'": tenants} {
		for path := range of {
			if n := rows[whose+path]; n != 1 {
				t.Errorf("%q, a command %s, is in %d rows of accessTable: say in one who may give it", path, whose, n)
			}
		}
	}
}

// example is a command line that the command itself shows.
func example(t *testing.T, tree, c *cobra.Command) []string {
	t.Helper()
	for line := range strings.Lines(c.Example) {
		line, _, _ = strings.Cut(line, " > ")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if found, _, err := tree.Find(words[1:]); err == nil && found.CommandPath() == c.CommandPath() {
			return words[1:]
		}
	}
	return strings.Fields(commandPath(c))
}

// TestEveryCommandByEveryRole asks each command of each role, with no flag.
func TestEveryCommandByEveryRole(t *testing.T) {
	asked := map[string]int{}
	tree := Tree() // no flag is given, so that one is enough
	for path, c := range leaves(tree) {
		line := example(t, tree, c)
		if i := slices.IndexFunc(line, func(w string) bool { return strings.HasPrefix(w, "-") }); i > 0 {
			line = line[:i]
		}
		roles, _ := rolesOf(path)
		for _, role := range []string{roleOperator, roleAuditor, roleTenant, ""} {
			err := judge(tree, role, "", line)
			want := slices.Contains(roles, role)
			if (err == nil) != want || err != nil && ispctl.KindOf(err) != ispctl.Permission {
				t.Errorf("%s asks %q: %v; wanted it to be let: %v", role, line, err, want)
			}
			if err == nil {
				asked[role]++
			}
		}
	}
	if asked[roleTenant]+asked[""] > 0 || asked[roleAuditor] < 30 || asked[roleOperator] < 100 {
		t.Errorf("let: %v", asked)
	}
}

// TestAuditorsChangeNothing: of the flags of his commands an auditor may give
// those alone that choose what is shown.
func TestAuditorsChangeNothing(t *testing.T) {
	for path, c := range leaves(Tree()) {
		roles, _ := rolesOf(path)
		if !slices.Contains(roles, roleAuditor) {
			continue
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			value := f.DefValue
			if f.Value.Type() == "bool" {
				value = "true"
			}
			err := mayAsk(roleAuditor, "", append(strings.Fields(path), "--"+f.Name+"="+value))
			if may := err == nil; may != (isFormat(f) || f.Name == "root" || slices.Contains(auditorFlags, f.Name)) {
				t.Errorf("%s --%s: %v", path, f.Name, err)
			}
		})
	}
	for _, line := range []string{
		"doctor --fix", "zone check a b tcp/1 --probe", "report monthly --output /tmp/x", "report monthly --output=/tmp/x -o pdf", "report monthly --all --output /tmp", "status --root /srv/other",
		"--root=/srv/other status", "--root", "status --root /a --root /b", "vm", "__complete vm show ", "__completeNoDesc vm show ", "help vm", "vm shew x", "", "-- vm list", "converge --dry-run", "apply -f -",
	} {
		err := mayAsk(roleAuditor, "/srv/own", strings.Fields(line))
		if err == nil {
			t.Errorf("%q is let", line)
		}
		if err != nil && ispctl.KindOf(err) != ispctl.Permission && ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%q: %v", line, err)
		}
	}
	for _, line := range []string{"status --root /srv/own -o json", "vm list -owide", "top --once", "report monthly --month 2026-10 -o csv", "usage flows --ipfix", "audit verify --head 3:abc"} {
		if err := mayAsk(roleAuditor, "/srv/own", strings.Fields(line)); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestNoFileByTheSocket: what serve would open, its callers cannot name.
func TestNoFileByTheSocket(t *testing.T) {
	const key = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
	for line, let := range map[string]bool{
		"apply -f /etc/shadow": false, "apply -f -": true, "apply --file=-": true, "diff -f x.yaml": false, "vm add-key web1 --ssh-key /etc/shadow": false,
		"vm add-key web1 --ssh-key -": true, "vm add-key web1 --ssh-key - --ssh-key /etc/shadow": false, "tenant handoff acme --output /etc/passwd": false, "tenant handoff acme -o pdf": true,
		"tenant handoff acme --recipient " + key: true, "tenant handoff acme --recipient ../x": false, "vpn peer add a --file /etc/cron.d/x": false, "vpn peer add a --file -": false,
		"vpn peer add a --public-key /etc/shadow": false, "vpn peer add a --public-key xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=": true, "vpn config a --private-key -": true,
		"vpn config a --private-key /etc/shadow": false, "usage correct web1 --in 5 --reason -": true, "vm create a --template t --zone z --ssh-key ~/.ssh/id": false, "image import /etc/shadow": false,
	} {
		err := mayAsk(roleOperator, "", strings.Fields(line))
		if (err == nil) != let {
			t.Errorf("%q: %v", line, err)
		}
		if e, ours := errors.AsType[*ispctl.Error](err); err != nil && (!ours || e.Next == "") {
			t.Errorf("%q: says no next step: %v", line, err)
		}
	}
	// A flag with the name of a file's that is none of the known ones would go by.
	for path, c := range leaves(Tree()) {
		roles, _ := rolesOf(path)
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if len(roles) > 0 && strings.Contains(f.Usage, "file") && !isFormat(f) && !slices.Contains(fileFlags, f.Name) && f.Name != "output" && f.Name != "all" {
				t.Errorf("%s --%s seems to name a file (%s): put it into fileFlags", path, f.Name, f.Usage)
			}
		})
	}
}
