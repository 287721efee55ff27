package cli

import (
	"github.com/spf13/cobra"

	"ispctl"
)

func (a *app) qosShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show [VM|ZONE|TENANT]", Short: "Show what VMs may use, and what they use now",
		Long: `Show what VMs may use, and what they use now.

Rates are bits per second of whole Ethernet frames, as tc(8) counts them; sizes
are bytes. What is used now is watched for half a second. Of a zone or a tenant
all VMs are shown; what they may have together: ispctl qos total list. Where a VM,
a zone and a tenant have the same name, the VM comes first, then the zone.`,
		Example: "  ispctl qos show\n  ispctl qos show web1 -o json\n  ispctl qos show acme -o wide",
		Args: func(c *cobra.Command, given []string) error {
			if len(given) > 1 {
				return args(1, "a VM, a zone, a tenant or nothing")(c, given)
			}
			return nil
		},
		ValidArgsFunction: first(a.complete(func(m *ispctl.Model) []string { return guestSets(m) })),
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			of := ""
			if len(given) > 0 {
				of = given[0]
			}
			views, err := p.QoS(c.Context(), of)
			if err != nil {
				return err
			}
			if len(views) == 1 && string(views[0].VM) == of {
				return qosListing.show(a, views[0])
			}
			return qosListing.list(a, views)
		},
	}
	a.outputFlag(c)
	return c
}
