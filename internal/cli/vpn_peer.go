package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
	"ispctl/vpn/conf"
)

// configFormats are how a configuration is printed.
var configFormats = []string{"conf", "qr", "png"}

// configOut says where a configuration goes, and how.
type configOut struct{ format, file string }

func (w *configOut) flags(c *cobra.Command) {
	c.Flags().StringVarP(&w.format, "output", "o", configFormats[0], "format of the configuration: "+strings.Join(configFormats, ", "))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(configFormats, cobra.ShellCompDirectiveNoFileComp))
	c.Flags().StringVar(&w.file, "file", "", "write it to a new file that only you read, in place of standard output")
}

// check refuses before anything is done what could not be written after.
func (w *configOut) check() error {
	if !slices.Contains(configFormats, w.format) {
		return ispctl.Invalid("output format", w.format, "is not known; have: %s", strings.Join(configFormats, ", "))
	}
	if w.file == "" {
		return nil
	}
	if _, err := os.Lstat(w.file); err == nil {
		return ispctl.Conflicting("file", w.file, "is there already")
	}
	return nil
}

func (w *configOut) write(a *app, c conf.Config) error {
	var data []byte
	var err error
	switch w.format {
	case "conf":
		data = []byte(c.Text())
	case "qr":
		var text string
		text, err = c.Terminal()
		data = []byte(text)
	case "png":
		data, err = c.PNG()
	}
	if err != nil {
		return err
	}
	if w.file != "" {
		return renameio.WriteFile(w.file, data, 0o600)
	}
	_, err = a.streams.Out.Write(data)
	return err
}

// made prints what an operation made for a peer. The configuration alone goes to
// standard output, so that it can be a file.
func (a *app) made(r operations.Result, o operations.Options, err error, c conf.Config, w configOut) error {
	if o.DryRun || err != nil || !r.Changed() {
		return a.report(r, o, err)
	}
	quiet := *a
	quiet.streams.Out = a.streams.Err
	if err := quiet.report(r, o, nil); err != nil {
		return err
	}
	if c.PrivateKey != "" {
		fmt.Fprintln(a.streams.Err, "its private key was made here, is shown this once and kept nowhere; better have the peer make its own: --public-key")
	}
	return w.write(a, c)
}

func (a *app) peerAdd() *cobra.Command {
	var o operations.Options
	var spec operations.PeerSpec
	var w configOut
	var role, tenant, public, expires string
	var ifNotExists bool
	c := &cobra.Command{
		Use: "add NAME", Short: "Let a machine come in by the VPN",
		Long: `Let a machine come in by the VPN, and print its configuration.

Have the machine make its own key and give the public one: the private key then
never leaves it. Otherwise a pair is made, and the private key is in what this
command prints, and nowhere else.`,
		Example: `  ispctl vpn peer add ann --public-key nJw7zJ5Yc3Zb0pWm1m4Vb8pJk3C1v3mUe8hQ2XkZl2M=
  ispctl vpn peer add phone --expires 90d --preshared -o qr
  ispctl vpn peer add acme-laptop --role tenant --tenant acme --file acme.conf`,
		Args: args(1, "a name"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, given []string) (err error) {
			if err := w.check(); err != nil {
				return err
			}
			if spec.Name, err = ispctl.ParseName("peer", given[0]); err != nil {
				return err
			}
			spec.Role, spec.Tenant = ispctl.PeerRole(role), ispctl.Name(tenant)
			if tenant != "" && !c.Flags().Changed("role") {
				spec.Role = ispctl.TenantPeer
			}
			if spec.PublicKey, err = publicKey(public); err != nil {
				return err
			}
			if spec.Expires, err = parseExpiry(expires, time.Now()); err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, config, err := p.AddPeer(c.Context(), spec, ifNotExists, o)
			return a.made(r, o, err, config, w)
		},
	}
	f := c.Flags()
	f.StringVar(&role, "role", string(ispctl.OperatorPeer), "operator: every admin leg and the host; tenant: that tenant's VMs")
	f.StringVar(&tenant, "tenant", "", "whose machine it is")
	f.StringVar(&public, "public-key", "", "the public key that the machine made, or a file with it; otherwise a pair is made")
	f.StringVar(&expires, "expires", "", "when it is shut out: a date, a time (RFC 3339), or how long from now, as 90d; never unless told")
	f.BoolVar(&spec.Preshared, "preshared", false, "have a preshared key as well, which guards against computers that break the others")
	f.BoolVar(&ifNotExists, "if-not-exists", false, "succeed if a peer of that name is there")
	w.flags(c)
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	_ = c.RegisterFlagCompletionFunc("tenant", a.complete(tenantNames))
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{string(ispctl.OperatorPeer), string(ispctl.TenantPeer)}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) peerRotate() *cobra.Command {
	var o operations.Options
	var w configOut
	var public string
	c := &cobra.Command{
		Use: "rotate NAME", Short: "Give a peer another key",
		Long: `Give a peer another key, and a preshared one if it has one. It keeps its
address. What it has open ends, and nobody comes in by the old key any more.`,
		Example: "  ispctl vpn peer rotate ann --public-key nJw7zJ5Yc3Zb0pWm1m4Vb8pJk3C1v3mUe8hQ2XkZl2M=\n  ispctl vpn peer rotate phone -o qr",
		Args:    args(1, "a peer"), ValidArgsFunction: first(a.complete(peerNames)),
		RunE: func(c *cobra.Command, given []string) error {
			if err := w.check(); err != nil {
				return err
			}
			key, err := publicKey(public)
			if err != nil {
				return err
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, config, err := p.RotatePeer(c.Context(), given[0], key, o)
			return a.made(r, o, err, config, w)
		},
	}
	c.Flags().StringVar(&public, "public-key", "", "the public key that the machine made, or a file with it; otherwise a pair is made")
	w.flags(c)
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}

func (a *app) peerEnable() *cobra.Command {
	return a.peerSwitch(true, "enable NAME", "Let a peer in again", "  ispctl vpn peer enable ann")
}

func (a *app) peerDisable() *cobra.Command {
	return a.peerSwitch(false, "disable NAME", "Shut a peer out, and end what it has open", "  ispctl vpn peer disable ann")
}

func (a *app) peerSwitch(on bool, use, short, example string) *cobra.Command {
	var o operations.Options
	c := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: args(1, "a peer"), ValidArgsFunction: first(a.complete(peerNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.EnablePeer(c.Context(), given[0], on, o)
			return a.report(r, o, err)
		},
	}
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}

func (a *app) peerSet() *cobra.Command {
	var o operations.Options
	var expires string
	c := &cobra.Command{
		Use: "set NAME", Short: "Say until when a peer is let in",
		Example: "  ispctl vpn peer set ann --expires 2027-06-30\n  ispctl vpn peer set ann --expires never",
		Args:    args(1, "a peer"), ValidArgsFunction: first(a.complete(peerNames)),
		RunE: func(c *cobra.Command, given []string) (err error) {
			var at time.Time
			if expires == "" {
				return ispctl.Invalid("expiry", "", "is empty; for ever is never")
			}
			if expires != "never" {
				if at, err = parseExpiry(expires, time.Now()); err != nil {
					return err
				}
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.ExpirePeer(c.Context(), given[0], at, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().StringVar(&expires, "expires", "", "a date, a time (RFC 3339), how long from now, as 90d, or never")
	required(c, "expires")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}

func (a *app) peerRemove() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "remove NAME", Short: "Forget a peer, and end what it has open",
		Example: "  ispctl vpn peer remove ann",
		Args:    args(1, "a peer"), ValidArgsFunction: first(a.complete(peerNames)),
		RunE: func(c *cobra.Command, given []string) error {
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.RemovePeer(c.Context(), given[0], ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if it is not there")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}

func (a *app) vpnConfig() *cobra.Command {
	var w configOut
	var private string
	c := &cobra.Command{
		Use: "config NAME", Short: "Print the configuration of a peer",
		Long: `Print the configuration of a peer, as wg-quick and the applications of WireGuard
read it. Its private key is nowhere but with the peer; where that is here, it is
put in. A preshared key was shown when the peer was made, and is not again.`,
		Example: `  ispctl vpn config ann
  ispctl vpn config ann --private-key ann.key -o png --file ann.png`,
		Args: args(1, "a peer"), ValidArgsFunction: first(a.complete(peerNames)),
		RunE: func(c *cobra.Command, given []string) error {
			if err := w.check(); err != nil {
				return err
			}
			secret := ""
			if private != "" {
				var err error
				if secret, err = a.secretFrom(private); err != nil {
					return err
				}
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			config, err := p.PeerConfig(c.Context(), given[0], secret)
			if err != nil {
				return err
			}
			return w.write(a, config)
		},
	}
	c.Flags().StringVar(&private, "private-key", "", "file with the peer's private key, to put it in; - is standard input")
	w.flags(c)
	return c
}
