package operations

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"ispctl"
	"ispctl/state"
	"ispctl/vpn/keys"
)

// VPNDevice asks WireGuard of its peers; there is no device where ok is false.
type VPNDevice func(context.Context) (v VPNTraffic, ok bool, err error)

// VPNTraffic is what WireGuard knows.
type VPNTraffic struct {
	Kind  string // kernel, or userspace
	Peers map[ispctl.PublicKey]PeerTraffic
}

// PeerTraffic is what it knows of a peer.
type PeerTraffic struct {
	Endpoint       netip.AddrPort // where it was last heard from; invalid: never
	Handshake      time.Time      // zero: never
	Received, Sent int64          // bytes
}

// VPNSpec is what is asked of the VPN. What is nil stays as it is.
type VPNSpec struct {
	Port     *uint16
	Prefix   *netip.Prefix
	Endpoint *string
	Services *[]ispctl.Service
	NewKey   bool // the host is to have another key, which every peer has to be told
}

// InitVPN makes the VPN, or brings it to what is asked.
func (p *Provider) InitVPN(ctx context.Context, spec VPNSpec, o Options) (Result, error) {
	var host keys.Pair // made once, however often the edit is tried
	r, err := p.changeWalls(ctx, o, state.Entry{Operation: "vpn init", Object: "vpn"}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		want := m.VPN
		if err := spec.into(&want); err != nil {
			return nil, err
		}
		if err := vpnMoves(m.VPN, want); err != nil {
			return nil, err
		}
		p.VPNKeys.Trial = o.DryRun
		switch {
		case host.Public != "":
		case spec.NewKey:
			host, err = p.VPNKeys.NewHost()
		case m.VPN.Configured():
			host, err = p.VPNKeys.Host()
		default:
			host, err = p.VPNKeys.MakeHost()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("vpn: the host's private key: %w", err)
		}
		if m.VPN.Configured() && !spec.NewKey && host.Public != m.VPN.PublicKey {
			return nil, &ispctl.Error{
				Kind: ispctl.Failed, Object: "vpn", Cause: "its private key is not the one that peers know",
				Next: "put " + p.VPNKeys.PrivateFile() + " back, or have a new one that every peer has to be told: --new-key",
			}
		}
		want.PublicKey = host.Public
		why := changes(field{"port", fmt.Sprint(m.VPN.Port), fmt.Sprint(want.Port)}, field{"prefix", prefixOrNone(m.VPN.Prefix), prefixOrNone(want.Prefix)},
			field{"endpoint", orUplink(m.VPN.Endpoint), orUplink(want.Endpoint)}, field{"services", words(m.VPN.Services), words(want.Services)},
			field{"key", string(m.VPN.PublicKey), string(want.PublicKey)})
		switch {
		case why == "":
			return nil, nil
		case !m.VPN.Configured():
			why = fmt.Sprintf("+ vpn %s port %d", want.Prefix, want.Port)
		default:
			why = "~ vpn " + why
		}
		return []string{why}, tx.PutVPN(want)
	})
	return r, errors.Join(err, p.forgetKeys(ctx, r, o))
}

// into is v as it is asked for.
func (spec VPNSpec) into(v *ispctl.VPN) error {
	if spec.Port != nil {
		v.Port = *spec.Port
	}
	if spec.Prefix != nil {
		v.Prefix = *spec.Prefix
	}
	if spec.Endpoint != nil {
		v.Endpoint = *spec.Endpoint
	}
	if spec.Services != nil {
		v.Services = slices.Clone(*spec.Services)
		slices.SortFunc(v.Services, compareServices)
		v.Services = slices.Compact(v.Services)
	}
	missing := func(flag string) error {
		return &ispctl.Error{Kind: ispctl.Usage, Object: "vpn", Cause: "there is none yet, and " + flag + " is missing", Next: "see: ispctl vpn init --help"}
	}
	switch {
	case v.Port == 0:
		return missing("--listen")
	case !v.Configured():
		return missing("--prefix")
	}
	return nil
}

// vpnMoves holds a VPN with peers to its prefix: each has an address of it in a
// file of its own.
func vpnMoves(have, want ispctl.VPN) error {
	if have.Prefix == want.Prefix || len(have.Peers) == 0 {
		return nil
	}
	names := make([]ispctl.Name, len(have.Peers))
	for i, peer := range have.Peers {
		names[i] = peer.Name
	}
	return inUse("vpn prefix", have.Prefix.String(), "peer", names, "remove them first: ispctl vpn peer remove")
}

func orUplink(endpoint string) string {
	if endpoint == "" {
		return "the uplink's address"
	}
	return endpoint
}

// RemoveVPN ends the VPN, for all of its peers.
func (p *Provider) RemoveVPN(ctx context.Context, ifExists bool, o Options) (Result, error) {
	r, err := p.changeWalls(ctx, o, state.Entry{Operation: "vpn remove", Object: "vpn"}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		if !m.VPN.Configured() {
			return nil, missing(noVPN(), ifExists)
		}
		said := []string{fmt.Sprintf("- vpn %s", m.VPN.Prefix)}
		for _, peer := range m.VPN.Peers {
			said = append(said, "- peer "+string(peer.Name))
		}
		return said, tx.DeleteVPN()
	})
	return r, errors.Join(err, p.forgetKeys(ctx, r, o))
}

func noVPN() error {
	return &ispctl.Error{Kind: ispctl.NotFound, Object: "vpn", Cause: "not found (there is none)", Next: "make one: ispctl vpn init --listen PORT --prefix PREFIX"}
}

// forgetKeys removes the files of keys that nobody has any more, unless the
// change that made them so may yet be taken back.
func (p *Provider) forgetKeys(ctx context.Context, r Result, o Options) error {
	if o.DryRun || r.Pending != nil || len(r.Intent) == 0 {
		return nil
	}
	m, err := p.Store.Model(ctx)
	if err != nil {
		return err
	}
	return p.VPNKeys.Forget(m)
}
