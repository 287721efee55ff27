package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

// wallFlags are the flags of every command that can cut its caller off.
func wallFlags(c *cobra.Command, o *operations.Options) {
	c.Flags().DurationVar(&o.Confirm, "confirm", 0, "take the change back after this time, as 60s, unless `ispctl confirm` keeps it")
	c.Flags().BoolVar(&o.Force, "force", false, "make the change even if it cuts your own connection off")
	_ = c.RegisterFlagCompletionFunc("confirm", cobra.FixedCompletions([]cobra.Completion{"30s", "60s", "5m"}, cobra.ShellCompDirectiveNoFileComp))
}

func (a *app) confirmCmd() *cobra.Command {
	var status, revert, boot bool
	c := &cobra.Command{
		Use: "confirm", Short: "Keep a change that was made with --confirm",
		Long: `Keep a change that was made with --confirm.

Without it the change is taken back when its time is up, whatever became of the
command, the session or the host. --revert takes it back at once.`,
		Example: `  ispctl apply -f provider.yaml --confirm 60s
  ispctl confirm
  ispctl confirm --status -o json
  ispctl confirm --revert`,
		Args: args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := errors.Join(a.checkFormat(), oneOf(c, "status", "revert", "boot")); err != nil {
				return err
			}
			if status {
				return a.showPending(c)
			}
			p, err := a.provider(c.Context()) // which takes back what was not confirmed in time
			if err != nil || boot {
				return err
			}
			if revert {
				v, err := p.RevertNow(c.Context())
				if err == nil {
					fmt.Fprintf(a.streams.Out, "taken back: %s of %s\n", v.Command, v.Object)
				}
				return err
			}
			v, err := p.Confirm(c.Context())
			if err == nil {
				fmt.Fprintf(a.streams.Out, "kept: %s of %s\n", v.Command, v.Object)
			}
			return err
		},
	}
	c.Flags().BoolVar(&status, "status", false, "show what awaits its confirmation, and do nothing")
	c.Flags().BoolVar(&revert, "revert", false, "take the change back at once")
	c.Flags().BoolVar(&boot, "boot", false, "only take back what was not confirmed before the boot; for the service manager")
	a.outputFlag(c)
	return c
}

// oneOf refuses flags that exclude each other.
func oneOf(c *cobra.Command, flags ...string) error {
	var given []string
	for _, name := range flags {
		if c.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) < 2 {
		return nil
	}
	return &ispctl.Error{
		Kind: ispctl.Usage, Object: c.CommandPath(), Cause: strings.Join(given, " and ") + " exclude each other", Next: "see: " + c.CommandPath() + " --help",
	}
}

var pendingListing = listing[operations.PendingView]{
	name: func(v operations.PendingView) string { return v.Object },
	columns: []column[operations.PendingView]{
		{"CHANGE", false, func(v operations.PendingView) string { return v.Command }},
		{"OBJECT", false, func(v operations.PendingView) string { return v.Object }},
		{"BY", false, func(v operations.PendingView) string { return v.Actor }},
		{"REVERTS", false, func(v operations.PendingView) string { return when(v.Deadline) }},
		{"LEFT", false, func(v operations.PendingView) string {
			return time.Duration(v.Left * float64(time.Second)).Round(time.Second).String()
		}},
		{"GUARDED", false, func(v operations.PendingView) string { return strconv.FormatBool(v.Guarded) }},
	},
}

func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (a *app) showPending(c *cobra.Command) error {
	p, _, err := a.reader(c.Context())
	if err != nil {
		return err
	}
	v, err := p.Pending()
	if err != nil {
		return err
	}
	if !v.Pending && (a.format == "table" || a.format == "wide") {
		fmt.Fprintln(a.streams.Out, "nothing awaits its confirmation")
		return nil
	}
	return pendingListing.show(a, v)
}

// tellPending says how to keep a change, and by when.
func (a *app) tellPending(r operations.Result) {
	if v := r.Pending; v != nil {
		fmt.Fprintf(a.streams.Err, "taken back at %s unless you keep it: ispctl confirm\n", when(v.Deadline))
	}
}
