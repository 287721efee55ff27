package operations

import (
	"fmt"
	"slices"

	"ispctl"
	"ispctl/operations/document"
)

// vpn makes and changes the VPN and its peers. No secret is in a document: the
// host's key is made where there is none, and a peer brings its own.
func (a *applier) vpn() error {
	want := a.doc.VPN
	if want == nil {
		return nil
	}
	have := a.have.VPN
	next := ispctl.VPN{Port: want.Port, Prefix: want.Prefix, Endpoint: want.Endpoint, Services: have.Services, PublicKey: have.PublicKey}
	if want.Services != nil {
		next.Services = slices.Clone(*want.Services)
		slices.SortFunc(next.Services, compareServices)
		next.Services = slices.Compact(next.Services)
	}
	if err := vpnMoves(have, next); err != nil {
		return a.doc.At(want.At, err)
	}
	if !have.Configured() {
		host, err := a.keys.MakeHost()
		if err != nil {
			return fmt.Errorf("vpn: the host's private key: %w", err)
		}
		next.PublicKey = host.Public
	}
	why := changes(field{"port", fmt.Sprint(have.Port), fmt.Sprint(next.Port)}, field{"prefix", prefixOrNone(have.Prefix), prefixOrNone(next.Prefix)},
		field{"endpoint", orUplink(have.Endpoint), orUplink(next.Endpoint)}, field{"services", words(have.Services), words(next.Services)})
	switch {
	case !have.Configured():
		a.say("+ vpn %s port %d", next.Prefix, next.Port)
	case why != "":
		a.say("~ vpn %s", why)
	}
	if why != "" {
		if err := a.tx.PutVPN(next); err != nil {
			return a.doc.At(want.At, err)
		}
	}
	return a.peers(next)
}

// peers come with their addresses first, so that none is given to another.
func (a *applier) peers(v ispctl.VPN) error {
	v.Peers = slices.Clone(a.have.VPN.Peers)
	for _, one := range a.doc.VPN.Peers {
		if one.AddrGiven {
			v.Peers = append(v.Peers, ispctl.Peer{Addr: one.Addr})
		}
	}
	for _, one := range a.doc.VPN.Peers {
		if err := a.peer(&v, one); err != nil {
			return a.doc.At(one.At, err)
		}
	}
	return nil
}

func (a *applier) peer(v *ispctl.VPN, one document.Peer) (err error) {
	want, name := one.Peer, string(one.Name)
	have, missing := a.have.Peer(name)
	want.Applied, want.Created = missing != nil || have.Applied, a.tx.Now
	if missing == nil {
		want.ID, want.Created, want.Expired = have.ID, have.Created, have.Expired
		if one.PresharedSaid == nil {
			want.Preshared = have.Preshared
		}
	}
	if want.Preshared && (!have.Preshared || have.PublicKey != want.PublicKey) {
		return &ispctl.Error{
			Kind: ispctl.Usage, Object: fmt.Sprintf("peer %q", name), Cause: "would have a preshared key that it could not be told of",
			Next: "make it by ispctl vpn peer add or rotate, which shows it once; or leave preshared out",
		}
	}
	switch {
	case missing == nil && one.AddrGiven && one.Addr != have.Addr:
		return ispctl.Conflicting("peer", name, "has the address %s in a configuration of its own; remove it first, and make it anew", have.Addr)
	case missing == nil:
		want.Addr = have.Addr
	case !one.AddrGiven:
		if want.Addr, err = freePeerAddr(*v); err != nil {
			return err
		}
	}
	if err := apart(*v, want); err != nil {
		return err
	}
	v.Peers = append(slices.DeleteFunc(v.Peers, func(p ispctl.Peer) bool { return p.Name == want.Name }), want)
	if missing != nil {
		a.say("+ peer %s %s %s", want.Name, want.Role, want.Addr)
		return a.tx.PutPeer(want)
	}
	why := changes(field{"role", string(have.Role), string(want.Role)}, field{"tenant", orNone(string(have.Tenant)), orNone(string(want.Tenant))},
		field{"key", string(have.PublicKey), string(want.PublicKey)}, field{"preshared", fmt.Sprint(have.Preshared), fmt.Sprint(want.Preshared)},
		field{"expires", expiryText(have.Expires), expiryText(want.Expires)}, field{"disabled", fmt.Sprint(have.Disabled), fmt.Sprint(want.Disabled)})
	if why == "" {
		return nil
	}
	a.say("~ peer %s %s", want.Name, why)
	return a.tx.PutPeer(want)
}

// apart holds a peer to a key and an address of its own.
func apart(v ispctl.VPN, want ispctl.Peer) error {
	if !v.Holds(want.Addr) {
		return ispctl.Conflicting("peer", string(want.Name), "address %s is none that a peer can have in %s", want.Addr, v.Prefix)
	}
	for _, other := range v.Peers {
		switch {
		case other.Name == want.Name || other.Name == "":
		case other.PublicKey == want.PublicKey:
			return ispctl.Conflicting("peer", string(want.Name), "its public key is peer %q's already; each machine has a key of its own", other.Name)
		case other.Addr == want.Addr:
			return ispctl.Conflicting("peer", string(want.Name), "address %s is peer %q's", want.Addr, other.Name)
		}
	}
	return nil
}

func (a *applier) prunePeers() error {
	return pruneEach(a.have.VPN.Peers, func(p ispctl.Peer) bool {
		return p.Applied && (a.doc.VPN == nil || !slices.ContainsFunc(a.doc.VPN.Peers, func(d document.Peer) bool { return d.Name == p.Name }))
	}, func(p ispctl.Peer) error {
		a.say("- peer %s", p.Name)
		return a.tx.DeletePeer(p.Name)
	})
}

func (a *applier) danglingPeers(check func(document.At, error), tenants []string) {
	if a.doc.VPN == nil {
		return
	}
	for _, p := range a.doc.VPN.Peers {
		if p.Tenant != "" {
			check(p.At, known("tenant", string(p.Tenant), tenants))
		}
	}
}
