package cli

import (
	"context"
	"fmt"
	"os/signal"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/config"
	"ispctl/internal/guard"
	"ispctl/operations"
	"ispctl/vpn"
)

func (a *app) vpnInit() *cobra.Command {
	var o operations.Options
	var spec operations.VPNSpec
	var port uint16
	var prefix, endpoint string
	var services []string
	c := &cobra.Command{
		Use: "init", Short: "Make the VPN, or change it",
		Long: `Make the VPN, or change it.

Operators' peers reach every admin leg and the host; a tenant's reach the admin
addresses of that tenant's VMs. Where the kernel has no WireGuard a process of
its own stands in. The host's private key is a file that only root reads.`,
		Example: `  ispctl vpn init --listen 51820 --prefix 10.9.0.0/24
  ispctl vpn init --listen 51820 --prefix 10.9.0.0/24 --endpoint vpn.example.net
  ispctl vpn init --new-key`,
		Args: args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			given := c.Flags().Changed
			if given("listen") {
				spec.Port = &port
			}
			if given("prefix") {
				p, err := parseVPNPrefix(prefix)
				if err != nil {
					return err
				}
				spec.Prefix = &p
			}
			if given("endpoint") {
				if err := ispctl.ValidateEndpoint(endpoint); err != nil {
					return err
				}
				spec.Endpoint = &endpoint
			}
			if given("service") {
				all := make([]ispctl.Service, 0, len(services))
				for _, text := range services {
					if text == "none" {
						continue
					}
					s, err := ispctl.ParseService(text)
					if err != nil {
						return err
					}
					all = append(all, s)
				}
				spec.Services = &all
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.InitVPN(c.Context(), spec, o)
			return a.report(r, o, err)
		},
	}
	f := c.Flags()
	f.Uint16Var(&port, "listen", 0, "UDP port that peers find the host at, on every address of the uplink")
	f.StringVar(&prefix, "prefix", "", "private IPv4 prefix; its first address is the host's, and each peer has one")
	f.StringVar(&endpoint, "endpoint", "", "name or address that peers find the host by; the uplink's address unless told otherwise")
	f.StringSliceVar(&services, "service", nil, "what the host answers tenants at its address in the VPN, as 2222/tcp, or none; may be given again")
	f.BoolVar(&spec.NewKey, "new-key", false, "give the host another key, which every peer has to be told")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}

func (a *app) vpnRemove() *cobra.Command {
	var o operations.Options
	var ifExists bool
	c := &cobra.Command{
		Use: "remove", Short: "End the VPN, with its peers and its key",
		Example: "  ispctl vpn remove",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if !o.DryRun {
				if err := a.confirm("End the VPN for all of its peers?"); err != nil {
					return err
				}
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			r, err := p.RemoveVPN(c.Context(), ifExists, o)
			return a.report(r, o, err)
		},
	}
	c.Flags().BoolVar(&ifExists, "if-exists", false, "succeed if there is none")
	c.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}

// vpnDeviceVerb is the command of the process that stands in for the kernel.
const vpnDeviceVerb = "vpn-device"

// vpnProcess is that process. It is started by whoever converges, and by
// systemd at boot.
func (a *app) vpnProcess() *cobra.Command {
	var detached bool
	c := &cobra.Command{
		Use: vpnDeviceVerb, Hidden: true, Short: "Be the VPN's device, where the kernel has no WireGuard; started by ispctl",
		Example: "  ispctl vpn status",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			inst, err := config.Load(a.paths())
			if err != nil {
				return err
			}
			if err := a.enter(inst); err != nil {
				return err
			}
			ready := func() error { return nil }
			if detached {
				// It outlives the session and the control group of who starts it.
				if err := guard.Harden(); err != nil {
					fmt.Fprintln(a.streams.Err, "not permitted here:", err)
				}
				ready = guard.Ready
			}
			ctx, stop := signal.NotifyContext(context.WithoutCancel(c.Context()), unix.SIGTERM)
			defer stop()
			return vpn.Serve(ctx, inst, a.paths().VPNSocket(), a.streams.Err, ready)
		},
	}
	c.Flags().BoolVar(&detached, "detached", false, "say by descriptor 3 when it is ready, and outlive who started it")
	return c
}

func (a *app) vpnStatus() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Show the VPN, and when its peers were last heard",
		Example: "  ispctl vpn status\n  ispctl vpn status -o json",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, err := a.inside(c.Context())
			if err != nil {
				return err
			}
			v, err := p.VPNStatus(c.Context())
			if err != nil {
				return err
			}
			switch a.format {
			case "table", "wide":
				if err := vpnListing.show(a, v); err != nil || len(v.Peers) == 0 {
					return err
				}
				_, _ = a.streams.Out.Write([]byte("\n"))
				return peerStatusListing.list(a, v.Peers)
			case "csv":
				return peerStatusListing.list(a, v.Peers)
			}
			return vpnListing.show(a, v)
		},
	}
	a.outputFlag(c)
	return c
}

var vpnListing = listing[operations.VPNView]{
	name: func(v operations.VPNView) string { return v.Interface },
	columns: []column[operations.VPNView]{
		{"INTERFACE", false, func(v operations.VPNView) string { return v.Interface }},
		{"DEVICE", false, func(v operations.VPNView) string { return v.Device }},
		{"LISTENS", false, func(v operations.VPNView) string { return strconv.Itoa(v.Port) + "/udp" }},
		{"ENDPOINT", false, func(v operations.VPNView) string { return v.Endpoint }},
		{"PREFIX", false, func(v operations.VPNView) string { return v.Prefix }},
		{"GATEWAY", false, func(v operations.VPNView) string { return v.Gateway }},
		{"SERVICES", false, func(v operations.VPNView) string { return join(v.Services) }},
		{"PUBLIC KEY", false, func(v operations.VPNView) string { return string(v.PublicKey) }},
	},
}

var peerStatusListing = listing[operations.PeerStatusView]{
	name: func(v operations.PeerStatusView) string { return string(v.Name) },
	columns: []column[operations.PeerStatusView]{
		{"NAME", false, func(v operations.PeerStatusView) string { return string(v.Name) }},
		{"ROLE", false, func(v operations.PeerStatusView) string { return string(v.Role) }},
		{"ADDRESS", false, func(v operations.PeerStatusView) string { return v.Address }},
		{"STATE", false, func(v operations.PeerStatusView) string { return v.State }},
		{"EXPIRES", false, func(v operations.PeerStatusView) string { return momentText(v.Expires) }},
		{"HANDSHAKE", false, func(v operations.PeerStatusView) string { return ago(v.Handshake) }},
		{"RECEIVED", false, func(v operations.PeerStatusView) string { return strconv.FormatInt(v.Received, 10) }},
		{"SENT", false, func(v operations.PeerStatusView) string { return strconv.FormatInt(v.Sent, 10) }},
		{"FROM", false, func(v operations.PeerStatusView) string { return v.Endpoint }},
	},
}

func ago(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return time.Since(*at).Round(time.Second).String() + " ago"
}
