package operations

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"ispctl"
	"ispctl/state"
	"ispctl/vpn/conf"
	"ispctl/vpn/keys"
)

// PeerSpec is a peer as it is asked for.
type PeerSpec struct {
	Name      ispctl.Name
	Role      ispctl.PeerRole
	Tenant    ispctl.Name
	PublicKey ispctl.PublicKey // empty: a pair is made, and its private key shown once
	Expires   time.Time        // zero: never
	Preshared bool
}

// AddPeer lets a machine come in by the VPN. The configuration has the secrets
// that were made for it, which are shown nowhere else.
func (p *Provider) AddPeer(ctx context.Context, spec PeerSpec, ifNotExists bool, o Options) (Result, conf.Config, error) {
	made := makes{p: p, dry: o.DryRun}
	r, err := p.changeWalls(ctx, o, state.Entry{Operation: "vpn peer add", Object: "peer " + string(spec.Name), Detail: string(spec.Role)},
		func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			if !m.VPN.Configured() {
				return nil, noVPN()
			}
			if _, err := m.Peer(string(spec.Name)); err == nil {
				return nil, exists("peer", string(spec.Name), ifNotExists)
			}
			peer := ispctl.Peer{
				Name: spec.Name, Role: spec.Role, Tenant: spec.Tenant, PublicKey: spec.PublicKey, Preshared: spec.Preshared,
				Expires: spec.Expires, Created: tx.Now,
			}
			if !peer.Expires.IsZero() && !peer.Expires.After(tx.Now) {
				return nil, ispctl.Invalid("peer", string(spec.Name), "would expire in the past, %s", peer.Expires.Format(time.RFC3339))
			}
			if peer.Addr, err = freePeerAddr(m.VPN); err != nil {
				return nil, err
			}
			if err := made.keys(m, &peer); err != nil {
				return nil, err
			}
			return []string{fmt.Sprintf("+ peer %s %s %s", peer.Name, peer.Role, peer.Addr)}, tx.PutPeer(peer)
		})
	if err != nil {
		return r, conf.Config{}, err
	}
	c, err := p.peerConfig(ctx, spec.Name, made, o)
	return r, c, errors.Join(err, p.forgetKeys(ctx, r, o))
}

// RotatePeer gives a peer another key: the one of spec, or a new one. It keeps
// its address, and its sessions end.
func (p *Provider) RotatePeer(ctx context.Context, name string, public ispctl.PublicKey, o Options) (Result, conf.Config, error) {
	made := makes{p: p, dry: o.DryRun}
	r, err := p.changeWalls(ctx, o, state.Entry{Operation: "vpn peer rotate", Object: "peer " + name}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		peer, err := m.Peer(name)
		if err != nil {
			return nil, err
		}
		peer.PublicKey = public
		if err := made.keys(m, &peer); err != nil {
			return nil, err
		}
		return []string{"~ peer " + name + " key"}, tx.PutPeer(peer)
	})
	if err != nil {
		return r, conf.Config{}, err
	}
	c, err := p.peerConfig(ctx, ispctl.Name(name), made, o)
	return r, c, errors.Join(err, p.forgetKeys(ctx, r, o))
}

// makes are the keys that one operation makes, once, however often its edit is
// tried.
type makes struct {
	p         *Provider
	dry       bool
	pair      keys.Pair // zero: the peer has its own
	preshared string
}

// keys gives a peer the keys that it is to have.
func (k *makes) keys(m *ispctl.Model, peer *ispctl.Peer) (err error) {
	k.p.VPNKeys.Trial = k.dry
	if peer.PublicKey == "" {
		if k.pair.Public == "" {
			if k.pair, err = keys.NewPair(); err != nil {
				return err
			}
		}
		peer.PublicKey = k.pair.Public
	}
	// A key in use has a preshared one in use.
	for _, other := range m.VPN.Peers {
		if other.PublicKey == peer.PublicKey {
			return ispctl.Conflicting("peer", string(peer.Name), "its public key is peer %q's already; each machine has a key of its own", other.Name)
		}
	}
	if err := peer.Validate(); err != nil {
		return err
	}
	if peer.Preshared && k.preshared == "" {
		key, err := k.p.VPNKeys.MakePreshared(peer.PublicKey)
		if err != nil {
			return fmt.Errorf("peer %s: %w", peer.Name, err)
		}
		k.preshared = key.String()
	}
	return nil
}

// freePeerAddr is the lowest address that no peer has.
func freePeerAddr(v ispctl.VPN) (netip.Addr, error) {
	taken := map[netip.Addr]bool{}
	for _, peer := range v.Peers {
		taken[peer.Addr] = true
	}
	for a := v.Gateway().Next(); v.Holds(a); a = a.Next() {
		if !taken[a] {
			return a, nil
		}
	}
	return netip.Addr{}, &ispctl.Error{
		Kind: ispctl.Conflict, Object: "vpn", Cause: fmt.Sprintf("all addresses of %s are peers'", v.Prefix), Next: "remove one: ispctl vpn peer remove",
	}
}

// EnablePeer lets a peer in again, or shuts it out; what it has open ends.
func (p *Provider) EnablePeer(ctx context.Context, name string, enabled bool, o Options) (Result, error) {
	verb := map[bool]string{true: "enable", false: "disable"}[enabled]
	return p.changeWalls(ctx, o, state.Entry{Operation: "vpn peer " + verb, Object: "peer " + name}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		peer, err := m.Peer(name)
		if err != nil {
			return nil, err
		}
		if enabled && peer.Expired {
			return nil, &ispctl.Error{
				Kind: ispctl.Conflict, Object: fmt.Sprintf("peer %q", name), Cause: "has expired, " + peer.Expires.Format(time.RFC3339),
				Next: "give it another time first: ispctl vpn peer set " + name + " --expires TIME",
			}
		}
		if peer.Disabled == !enabled {
			return nil, nil
		}
		peer.Disabled = !enabled
		return []string{"~ peer " + name + " " + verb + "d"}, tx.PutPeer(peer)
	})
}

// ExpirePeer says until when a peer is let in; zero: for ever.
func (p *Provider) ExpirePeer(ctx context.Context, name string, at time.Time, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "vpn peer set", Object: "peer " + name}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		peer, err := m.Peer(name)
		if err != nil {
			return nil, err
		}
		why := changes(field{"expires", expiryText(peer.Expires), expiryText(at)})
		if why == "" {
			return nil, nil
		}
		peer.Expires = at
		return []string{"~ peer " + name + " " + why}, tx.PutPeer(peer)
	})
}

func expiryText(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.UTC().Format(time.RFC3339)
}

// RemovePeer forgets a peer, and lets its address go.
func (p *Provider) RemovePeer(ctx context.Context, name string, ifExists bool, o Options) (Result, error) {
	r, err := p.changeWalls(ctx, o, state.Entry{Operation: "vpn peer remove", Object: "peer " + name}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		peer, err := m.Peer(name)
		if err != nil {
			return nil, missing(err, ifExists)
		}
		return []string{"- peer " + name}, tx.DeletePeer(peer.Name)
	})
	return r, errors.Join(err, p.forgetKeys(ctx, r, o))
}

// PeerConfig is a peer's configuration but for its secrets, which are nobody's
// but its own. With its private key, that is put in.
func (p *Provider) PeerConfig(ctx context.Context, name string, private string) (conf.Config, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return conf.Config{}, err
	}
	peer, err := m.Peer(name)
	if err != nil {
		return conf.Config{}, err
	}
	c := configOf(m, peer)
	if private != "" {
		pair, err := keys.ParsePrivate(private)
		if err != nil {
			return conf.Config{}, err
		}
		if pair.Public != peer.PublicKey {
			return conf.Config{}, ispctl.Conflicting("peer", name, "the private key is not the one that goes with its public key %s", peer.PublicKey)
		}
		c.PrivateKey = pair.Private.String()
	}
	return c, nil
}

// peerConfig is the configuration with what was made for it.
func (p *Provider) peerConfig(ctx context.Context, name ispctl.Name, made makes, o Options) (conf.Config, error) {
	m, err := p.Store.Model(ctx)
	if err != nil || o.DryRun {
		return conf.Config{}, err
	}
	peer, err := m.Peer(string(name))
	if err != nil {
		return conf.Config{}, err
	}
	c := configOf(m, peer)
	if made.pair.Public == peer.PublicKey {
		c.PrivateKey = made.pair.Private.String()
	}
	c.PresharedKey = made.preshared
	return c, nil
}

// configOf is what a peer has to know. Its configuration leads to the whole
// admin network, so that it need not be changed when VMs come and go; what it
// reaches there is the wall's to say.
func configOf(m *ispctl.Model, peer ispctl.Peer) conf.Config {
	c := conf.Config{
		Name: peer.Name, Address: peer.Addr, Preshared: peer.Preshared, HostKey: m.VPN.PublicKey, Endpoint: endpointOf(m), Port: m.VPN.Port,
		AllowedIPs: []netip.Prefix{netip.PrefixFrom(m.VPN.Gateway(), m.VPN.Gateway().BitLen())},
	}
	if m.Admin.Configured() {
		c.AllowedIPs = append(c.AllowedIPs, m.Admin.Prefix)
	}
	slices.SortFunc(c.AllowedIPs, netip.Prefix.Compare)
	return c
}

// endpointOf is where peers find the host: where they were told to, or at the
// uplink's address.
func endpointOf(m *ispctl.Model) string {
	switch {
	case m.VPN.Endpoint != "":
		return m.VPN.Endpoint
	case m.Uplink.Address.IsValid():
		return m.Uplink.Address.Addr().String()
	case m.Uplink.Address6.IsValid():
		return m.Uplink.Address6.Addr().String()
	}
	return ""
}
