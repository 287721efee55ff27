package cli

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/net/route"
	"ispctl/operations"
)

// autoKind has init find the kind of the uplink out.
const autoKind = "auto"

// uplinkFlags are what else init is told of how addresses are delivered.
type uplinkFlags struct {
	onMove   string
	delivers []string
	rest     time.Duration
}

func (u *uplinkFlags) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&u.onMove, "on-move", "", "program, with arguments, that asks the provider to move an address here (kind failover)")
	f.StringSliceVar(&u.delivers, "delivers", nil, "prefix that the provider delivers to the uplink; may be given again; other addresses are refused then; any: all")
	f.DurationVar(&u.rest, "address-rest", 0, "how long an address that was given back rests; without it, as before, and a day at first")
	_ = c.RegisterFlagCompletionFunc("uplink-kind", cobra.FixedCompletions([]string{"routed", "vmac", "failover", "bridged", autoKind}, cobra.ShellCompDirectiveNoFileComp))
}

func (u *uplinkFlags) read(c *cobra.Command, d *operations.Declaration) error {
	d.Uplink.OnMove, d.Uplink.Rest = u.onMove, u.rest
	if err := d.Uplink.Validate(); err != nil {
		return err
	}
	if !c.Flags().Changed("delivers") {
		return nil
	}
	prefixes := []netip.Prefix{}
	for _, s := range u.delivers {
		if s == "any" && len(u.delivers) == 1 {
			break
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return ispctl.Invalid("uplink", d.Uplink.Interface, "delivers %q, which is not ADDRESS/LENGTH", s)
		}
		prefixes = append(prefixes, p)
	}
	d.Delivers = &prefixes
	return nil
}

// detect looks at the uplink, and says what it found and why.
func (a *app) detect(u *ispctl.Uplink) error {
	if !u.Configured() {
		return &ispctl.Error{Kind: ispctl.Usage, Object: "init", Cause: "--uplink-kind auto needs something to look at", Next: "name it with --uplink"}
	}
	routes, err := route.Open()
	if err != nil {
		return err
	}
	defer routes.Close()
	found, err := routes.Detect(u.Interface)
	if err != nil {
		return err
	}
	u.Kind = found.Kind
	if !u.Address.IsValid() {
		u.Address = found.Address
	}
	if !u.Gateway.IsValid() {
		u.Gateway = found.Gateway
	}
	fmt.Fprintf(a.streams.Err, "uplink %s: kind %s: %s\n", u.Interface, found.Kind, found.Why)
	return u.Validate()
}
