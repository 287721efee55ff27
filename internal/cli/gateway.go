package cli

import (
	"context"
	"net/netip"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"ispctl"
	"ispctl/internal/gateway"
	"ispctl/operations"
)

// gatewayView is the gateway as scripts see it.
type gatewayView struct {
	Listen      string `json:"listen"` // none: there is no gateway
	Fingerprint string `json:"fingerprint"`
	Key         string `json:"key"` // as a line of known_hosts has it after the name
}

var gatewayListing = listing[gatewayView]{
	name: func(v gatewayView) string { return v.Listen },
	columns: []column[gatewayView]{
		{"LISTEN", false, func(v gatewayView) string { return v.Listen }},
		{"FINGERPRINT", false, func(v gatewayView) string { return v.Fingerprint }},
		{"KEY", true, func(v gatewayView) string { return v.Key }},
	},
}

func (a *app) gatewaySet() *cobra.Command {
	var o operations.Options
	var listen string
	c := &cobra.Command{
		Use: "set", Short: "Say where tenants come in by SSH",
		Long: `Say where tenants come in by SSH, to look after their VMs.

serve answers there, at that address and that port alone, which the wall opens to
the uplink and no guest. An address of the VPN is best: strangers do not reach it.
Tenants come with the keys that tenant key add has registered:

  ssh -p 2222 acme@ADDRESS vm list`,
		Example: "  ispctl gateway set\n  ispctl gateway set --listen 10.99.0.1:2222\n  ispctl gateway set --listen none",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			var g ispctl.Gateway
			if c.Flags().Changed("listen") && listen != ispctl.NoTenant {
				var err error
				if g.Listen, err = ispctl.ParseGatewayListen(listen); err != nil {
					return err
				}
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			if !c.Flags().Changed("listen") {
				if g, err = p.DefaultGateway(c.Context()); err != nil {
					return err
				}
			}
			if g.Configured() && !o.DryRun {
				if _, err := gateway.HostKey(a.paths().GatewayKey()); err != nil {
					return err
				}
			}
			r, err := p.SetGateway(c.Context(), g, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "address and port; without it, port 2222 of the host's address in the VPN; none closes it")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}

func (a *app) gatewayShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show", Short: "Show where tenants come in, and the host key they see", Example: "  ispctl gateway show",
		Args: args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			m, err := p.Model(c.Context())
			if err != nil {
				return err
			}
			v := gatewayView{Listen: ispctl.NoTenant}
			if key, err := a.gatewayKey(c.Context(), p); err != nil {
				return err
			} else if key != "" {
				v = gatewayView{m.Gateway.Listen.String(), ispctl.KeyFingerprint(key), key}
			}
			return gatewayListing.show(a, v)
		},
	}
	a.outputFlag(c)
	return c
}

// gatewayKey is the host key that tenants see, as TYPE BASE64; empty where there
// is no gateway.
func (a *app) gatewayKey(ctx context.Context, p *operations.Provider) (string, error) {
	m, err := p.Model(ctx)
	if err != nil || !m.Gateway.Configured() {
		return "", err
	}
	key, err := gateway.HostKey(a.paths().GatewayKey())
	if err != nil {
		return "", err
	}
	return authorizedKey(key.PublicKey()), nil
}

// authorizedKey is a public key on one line, without its end.
func authorizedKey(key ssh.PublicKey) string {
	line := ssh.MarshalAuthorizedKey(key)
	return string(line[:len(line)-1])
}

// asker of the gateway's sessions.
func gatewaySource(from netip.AddrPort, fingerprint string) string {
	return "gateway " + from.Addr().String() + " " + fingerprint
}
