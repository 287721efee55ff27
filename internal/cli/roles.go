package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ispctl"
)

// The roles.
const (
	roleOperator = "operator" // root, and members of the operators' group by the socket of serve
	roleAuditor  = "auditor"  // members of the auditors' group, by the same socket: reads, and changes nothing
	roleTenant   = "tenant"   // by the gateway, and with a tree of commands of its own
)

// access is who may give some commands.
type access struct {
	roles []string
	why   string

	commands []string // paths, without the program's name
}

// accessTable is who may give which command, of all there are; a test holds it
// against the tree. Root on the host itself may give any. Rows without a role are
// not for the socket.
var accessTable = []access{
	{nil, "these act for their caller alone, and know of no provider", []string{"version", "completion", "demo up", "demo status", "demo down"}},
	{nil, "these set the host up or stay, and need all of it, where serve has little", []string{"init", "serve", "confirm-guard", "vpn-device", "gateway session", "host shutdown"}},
	{nil, "these read and write files of their caller's, or run programs for him", []string{
		"image build", "image pull", "image import", "template create", "template delete", "vm edit", "vm export", "vm ssh", "usage import",
	}},
	{[]string{roleOperator, roleAuditor}, "these change nothing, and show no secret and nothing of what is inside a guest", []string{
		"address list", "audit export", "audit list", "audit verify", "doctor", "export", "forward list", "gateway show", "image catalogue", "image list", "image show", "image verify",
		"plan list", "plan show", "qos capacity", "qos flow list", "qos show", "qos total list", "quota list", "quota show", "report monthly", "status", "tariff list", "template list",
		"tenant key list", "tenant list", "tenant show", "top", "usage", "usage drops", "usage export", "usage flows", "usage live", "vm disk list", "vm list", "vm show", "vm snapshot list",
		"vpn peer list", "vpn peer show", "vpn status", "zone check", "zone list", "zone policy list", "zone show",
	}},
	{[]string{roleOperator}, "these show what is a guest's or a peer's own", []string{"template show", "vm console", "vm logs", "vpn config"}},
	{[]string{roleOperator}, "these change something, or could", []string{
		"address add", "address assign", "address move", "address release", "address remove", "address set", "apply", "confirm", "converge", "diff",
		"forward add", "forward remove", "gateway set", "image prune", "image remove", "nic add", "nic allow", "nic deny", "nic remove", "nic tags",
		"plan create", "plan delete", "plan set", "qos balance", "qos flow add", "qos flow remove", "qos host", "qos set", "qos total remove", "qos total set", "qos uplink",
		"quota lift", "quota remove", "quota set", "tariff remove", "tariff set",
		"tenant create", "tenant delete", "tenant handoff", "tenant key add", "tenant key remove", "tenant resume", "tenant set", "tenant suspend",
		"usage correct", "usage sample", "usage settings",
		"vm add-key", "vm clone", "vm create", "vm destroy", "vm disk add", "vm disk remove", "vm disk resize", "vm exec", "vm pause", "vm rebuild", "vm rename", "vm rescue",
		"vm reset-password", "vm resize", "vm restart", "vm resume", "vm set", "vm snapshot create", "vm snapshot delete", "vm snapshot restore", "vm start", "vm stop",
		"vpn init", "vpn peer add", "vpn peer disable", "vpn peer enable", "vpn peer remove", "vpn peer rotate", "vpn peer set", "vpn remove",
		"zone create", "zone delete", "zone policy allow", "zone policy deny", "zone set",
	}},
	{[]string{roleTenant}, "these are all of the tenants' tree", []string{
		"report", "usage", "vm console", "vm list", "vm rebuild", "vm restart", "vm show", "vm start", "vm stop",
	}},
}

// rolesOf are the roles that may give a command; known is false for one that no
// row names.
func rolesOf(path string) (roles []string, known bool) {
	for _, row := range accessTable {
		if slices.Contains(row.commands, path) && !slices.Contains(row.roles, roleTenant) {
			return row.roles, true
		}
	}
	return nil, false
}

// auditorFlags are all flags that an auditor may give: they choose what is shown
// and how.
var auditorFlags = []string{
	"all", "by", "family", "format", "head", "help", "interval", "ipfix", "limit", "month", "once", "since", "sort", "tenant", "until", "zone", "lock-timeout",
}

// fileFlags name files. By the socket they may name standard input alone: a file
// would be serve's to open, whose user may read any.
var fileFlags = []string{"file", "ssh-key", "public-key", "private-key", "recipient"}

// isFormat tells --output as a format from --output as a file to be written.
func isFormat(f *pflag.Flag) bool { return f.Name == "output" && f.Shorthand == "o" }

// mayAsk judges a command line that somebody in a role gives by the socket of an
// installation. An error says why not.
func mayAsk(role, root string, line []string) error { return judge(Tree(), role, root, line) }

func judge(tree *cobra.Command, role, root string, line []string) error {
	c, rest, err := tree.Find(line)
	if err != nil {
		return err
	}
	path := commandPath(c)
	roles, known := rolesOf(path)
	denied := func(cause, next string) error {
		return &ispctl.Error{Kind: ispctl.Permission, Object: "command " + fmt.Sprintf("%q", path), Cause: cause, Next: next}
	}
	switch {
	case !known || c.HasSubCommands() && c.Annotations[RunsByItself] == "":
		return denied("is none that can be given by the socket of serve", "see: ispctl --help")
	case !slices.Contains(roles, role) && slices.Contains(roles, roleOperator):
		return denied("changes something or shows what is others' own, and you are an "+role, "ask an operator")
	case !slices.Contains(roles, role):
		return denied("is for root alone, on the host itself", "run it as root")
	}
	if err := c.ParseFlags(rest); err != nil {
		return &ispctl.Error{Kind: ispctl.Usage, Cause: err.Error(), Next: "see: " + c.CommandPath() + " --help"}
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		switch {
		case err != nil:
		case f.Name == "root":
			if f.Value.String() != root {
				err = denied("is for another root than that of this serve", "leave --root out")
			}
		case isFormat(f):
		case slices.Contains(fileFlags, f.Name) && !onlyStdin(path, f), f.Name == "output":
			err = denied("--"+f.Name+" names a file, which serve would read or write in your place", "give - and the content by standard input, or take it from standard output; or run it as root")
		case role == roleAuditor && !slices.Contains(auditorFlags, f.Name):
			err = denied("--"+f.Name+" is not for an "+role, "ask an operator")
		}
	})
	return err
}

// onlyStdin reports whether all a flag names is standard input, or what is no file
// at all: a key itself.
func onlyStdin(path string, f *pflag.Flag) bool {
	if f.Name == "file" && path != "apply" && path != "diff" {
		return false // one to be written
	}
	values := []string{f.Value.String()}
	if many, is := f.Value.(pflag.SliceValue); is {
		values = many.GetSlice()
	}
	return !slices.ContainsFunc(values, func(v string) bool {
		switch {
		case v == "-":
			return false
		case f.Name == "recipient":
			return !strings.HasPrefix(v, "age1") && !strings.HasPrefix(v, "ssh-")
		case f.Name == "public-key":
			_, err := ispctl.ParsePublicKey(v)
			return err != nil
		}
		return true
	})
}

// commandPath is a command's path without the program's name.
func commandPath(c *cobra.Command) string {
	_, path, _ := strings.Cut(c.CommandPath(), " ")
	return path
}
