package state

import (
	"errors"
	"time"

	"ispctl"
)

// PutVPN declares the VPN, without its peers.
func (t *Tx) PutVPN(v ispctl.VPN) error {
	err := errors.Join(t.exec(`INSERT INTO vpn (id, port, prefix, endpoint, public_key) VALUES (1, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET port = excluded.port, prefix = excluded.prefix, endpoint = excluded.endpoint, public_key = excluded.public_key`,
		v.Port, marshal(v.Prefix), v.Endpoint, v.PublicKey), t.exec(`DELETE FROM vpn_service`))
	for _, s := range v.Services {
		err = errors.Join(err, t.exec(`INSERT INTO vpn_service (port, proto) VALUES (?, ?) ON CONFLICT DO NOTHING`, s.Port, s.Proto))
	}
	return err
}

// DeleteVPN ends the VPN, and forgets its peers.
func (t *Tx) DeleteVPN() error {
	return errors.Join(t.exec(`DELETE FROM peer`), t.exec(`DELETE FROM vpn_service`), t.exec(`DELETE FROM vpn`))
}

// PutPeer makes the peer, or changes the one of that name.
func (t *Tx) PutPeer(p ispctl.Peer) error {
	expires := ""
	if !p.Expires.IsZero() {
		expires = stamp(p.Expires)
	}
	return t.exec(`INSERT INTO peer (name, role, tenant, public_key, addr, preshared, disabled, expires, created, applied) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET role = excluded.role, tenant = excluded.tenant, public_key = excluded.public_key, addr = excluded.addr,
			preshared = excluded.preshared, disabled = excluded.disabled, expires = excluded.expires, applied = excluded.applied`,
		p.Name, p.Role, p.Tenant, p.PublicKey, marshal(p.Addr), p.Preshared, p.Disabled, expires, stamp(p.Created), p.Applied)
}

// DeletePeer forgets a peer.
func (t *Tx) DeletePeer(name ispctl.Name) error {
	return t.exec(`DELETE FROM peer WHERE name = ?`, name)
}

// rewindVPN has the VPN and its peers be as they are in m.
func (t *Tx) rewindVPN(_, m *ispctl.Model) error {
	errs := []error{t.DeleteVPN()}
	if m.VPN.Configured() {
		errs = append(errs, t.PutVPN(m.VPN))
	}
	for _, p := range m.VPN.Peers {
		errs = append(errs, t.PutPeer(p), t.exec(`UPDATE peer SET id = ? WHERE name = ?`, p.ID, p.Name))
	}
	return errors.Join(errs...)
}

// vpnTables read the VPN. A peer has expired by the clock of the moment.
func vpnTables(m *ispctl.Model, now time.Time) []table {
	return []table{
		{`SELECT port, prefix, endpoint, public_key FROM vpn`, func(row scanner) error {
			v := &m.VPN
			return row.Scan(&v.Port, text{&v.Prefix}, &v.Endpoint, &v.PublicKey)
		}},
		{`SELECT port, proto FROM vpn_service ORDER BY proto, port`, func(row scanner) error {
			var one ispctl.Service
			err := row.Scan(&one.Port, &one.Proto)
			m.VPN.Services = append(m.VPN.Services, one)
			return err
		}},
		{`SELECT id, name, role, tenant, public_key, addr, preshared, disabled, expires, created, applied FROM peer ORDER BY name`, func(row scanner) error {
			var one ispctl.Peer
			err := row.Scan(&one.ID, &one.Name, &one.Role, &one.Tenant, &one.PublicKey, text{&one.Addr}, &one.Preshared, &one.Disabled,
				moment{&one.Expires}, text{&one.Created}, &one.Applied)
			one.Expired = !one.Expires.IsZero() && !one.Expires.After(now)
			m.VPN.Peers = append(m.VPN.Peers, one)
			return err
		}},
	}
}

// moment scans a time that may be none; then it is empty.
type moment struct{ into *time.Time }

// Scan implements sql.Scanner.
func (s moment) Scan(src any) error {
	if src == "" {
		*s.into = time.Time{}
		return nil
	}
	return text{s.into}.Scan(src)
}
