package cli

import (
	"context"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/internal/guard"
	"ispctl/operations"
	"ispctl/vpn"
	"ispctl/vpn/keys"
)

// vpnCmd is the noun with its verbs.
func (a *app) vpnCmd() *cobra.Command {
	return group("vpn", "The network that operators and tenants come in by",
		a.vpnInit(), a.vpnStatus(), a.vpnConfig(), a.vpnRemove(),
		group("peer", "Machines that may come in by the VPN", a.peerAdd(), a.peerList(), a.peerShow(), a.peerSet(), a.peerEnable(), a.peerDisable(), a.peerRotate(), a.peerRemove()))
}

var peerListing = listing[operations.PeerView]{
	name: func(v operations.PeerView) string { return string(v.Name) },
	columns: []column[operations.PeerView]{
		{"NAME", false, func(v operations.PeerView) string { return string(v.Name) }},
		{"ROLE", false, func(v operations.PeerView) string { return string(v.Role) }},
		{"TENANT", false, func(v operations.PeerView) string { return string(v.Tenant) }},
		{"ADDRESS", false, func(v operations.PeerView) string { return v.Address }},
		{"STATE", false, func(v operations.PeerView) string { return v.State }},
		{"EXPIRES", false, func(v operations.PeerView) string { return momentText(v.Expires) }},
		{"PUBLIC KEY", true, func(v operations.PeerView) string { return string(v.PublicKey) }},
		{"PRESHARED", true, func(v operations.PeerView) string { return strconv.FormatBool(v.Preshared) }},
		{"REACHES", true, func(v operations.PeerView) string { return join(v.Reaches) }},
		{"CREATED", true, func(v operations.PeerView) string { return v.Created.Format(time.RFC3339) }},
	},
}

func momentText(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.Format(time.RFC3339)
}

func peerNames(m *ispctl.Model) []string {
	return namesOf(m.VPN.Peers, func(p ispctl.Peer) string { return string(p.Name) })
}

func (a *app) peerList() *cobra.Command {
	return listCommand(a, peerListing, (*operations.Provider).Peers, &cobra.Command{
		Short: "List the peers of the VPN", Example: "  ispctl vpn peer list\n  ispctl vpn peer list -o json",
	})
}

func (a *app) peerShow() *cobra.Command {
	return showCommand(a, peerListing, (*operations.Provider).Peer, &cobra.Command{
		Short: "Show a peer of the VPN", Example: "  ispctl vpn peer show ann",
		Args: args(1, "a peer"), ValidArgsFunction: first(a.complete(peerNames)),
	})
}

// tunnel is what the layer of the VPN is handed; what it starts is this program.
func (a *app) tunnel(store *keys.Store) Tunnel {
	return Tunnel{store, func(ctx context.Context) error {
		log := a.paths().VPNLog()
		if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
			return err
		}
		return guard.Start(ctx, []string{"--root=" + a.rootDir, vpnDeviceVerb, "--detached"}, log)
	}}
}

// vpnDevice asks WireGuard; the process has to be in the installation's network
// namespace.
func (a *app) vpnDevice(inst ispctl.Installation) operations.VPNDevice {
	return func(ctx context.Context) (v operations.VPNTraffic, ok bool, err error) {
		k, err := vpn.Open(inst, a.paths(), nil)
		if err != nil {
			return v, false, err
		}
		defer k.Close() //nolint:errcheck // it was only asked
		s, ok, err := k.Status(ctx)
		if err != nil || !ok {
			return v, false, err
		}
		v = operations.VPNTraffic{Kind: s.Kind, Peers: map[ispctl.PublicKey]operations.PeerTraffic{}}
		for key, p := range s.Peers {
			v.Peers[key] = operations.PeerTraffic(p)
		}
		return v, true, nil
	}
}

// parseExpiry reads a moment in the future: a date, a time, or how long from
// now, as 90d or 12h.
func parseExpiry(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		at, err = time.ParseInLocation(time.DateOnly, s, time.UTC)
	}
	if days, isDays := strings.CutSuffix(s, "d"); err != nil && isDays {
		var n uint64
		const longest = 100 * 366
		if n, err = strconv.ParseUint(days, 10, 32); err == nil && n > 0 && n <= longest {
			at = now.AddDate(0, 0, int(n))
		}
	}
	if err != nil {
		var d time.Duration
		d, err = time.ParseDuration(s)
		at = now.Add(d)
	}
	if err != nil {
		return at, ispctl.Invalid("expiry", s, "is no date (2027-01-31), time (RFC 3339) or duration (90d, 12h)")
	}
	if at = at.UTC().Truncate(time.Second); !at.After(now) || at.Year() > 2200 {
		return at, ispctl.Invalid("expiry", s, "is not in the future, or too far in it: %s", at.Format(time.RFC3339))
	}
	return at, nil
}

// parseVPNPrefix reads the prefix of a VPN.
func parseVPNPrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, ispctl.Invalid("vpn prefix", s, "is not ADDRESS/LENGTH")
	}
	return p, nil
}

// publicKey reads a public key that may not have been given, or is a file's.
func publicKey(s string) (ispctl.PublicKey, error) {
	if s == "" {
		return "", nil
	}
	if strings.ContainsAny(s, "./") && !strings.HasSuffix(s, "=") {
		text, err := os.ReadFile(s)
		if err != nil {
			return "", ispctl.Invalid("public key", s, "is neither a key nor a file that can be read: %v", err)
		}
		s = string(text)
	}
	return ispctl.ParsePublicKey(s)
}

// secretFrom reads a secret from a file, or from standard input where that is -.
func (a *app) secretFrom(path string) (string, error) {
	const most = 4 << 10
	from := a.streams.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", ispctl.Invalid("private key", path, "cannot be read: %v", err)
		}
		defer f.Close() //nolint:errcheck // it was only read
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, most))
	return string(text), err
}
