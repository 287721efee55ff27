package vpn

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"ispctl/internal/unixsock"
)

// patience is how long a process may take to answer, or to end.
const patience = 5 * time.Second

// dial connects to the process of a device.
func dial(socket string) (*net.UnixConn, error) {
	conn, err := unixsock.Dial(socket)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(patience))
}

// ask is one get operation.
func ask(conn io.ReadWriter) (*wgtypes.Device, error) {
	if _, err := io.WriteString(conn, "get=1\n\n"); err != nil {
		return nil, err
	}
	return parse(conn)
}

// tell is one set operation.
func tell(conn io.ReadWriter, cfg wgtypes.Config) error {
	if _, err := io.WriteString(conn, "set=1\n"+words(cfg)+"\n"); err != nil {
		return err
	}
	_, err := parse(conn)
	return err
}

// words is a configuration as the interface takes it.
func words(cfg wgtypes.Config) string {
	var b strings.Builder
	say := func(key string, value any) { fmt.Fprintf(&b, "%s=%v\n", key, value) }
	if cfg.PrivateKey != nil {
		say("private_key", hex.EncodeToString(cfg.PrivateKey[:]))
	}
	if cfg.ListenPort != nil {
		say("listen_port", *cfg.ListenPort)
	}
	for _, p := range cfg.Peers {
		say("public_key", hex.EncodeToString(p.PublicKey[:]))
		if p.Remove {
			say("remove", true)
			continue
		}
		if p.PresharedKey != nil {
			say("preshared_key", hex.EncodeToString(p.PresharedKey[:]))
		}
		if p.ReplaceAllowedIPs {
			say("replace_allowed_ips", true)
		}
		for _, ip := range p.AllowedIPs {
			say("allowed_ip", ip.String())
		}
	}
	return b.String()
}

// parse reads the answer to an operation up to its empty line.
func parse(r io.Reader) (*wgtypes.Device, error) {
	d := &wgtypes.Device{Type: wgtypes.Userspace}
	lines := bufio.NewScanner(r)
	const room = 1 << 16 // a thousand peers come in a few reads
	lines.Buffer(make([]byte, room), room)
	var peer *wgtypes.Peer
	for lines.Scan() {
		if lines.Text() == "" {
			return d, nil
		}
		key, value, ok := strings.Cut(lines.Text(), "=")
		if !ok {
			return nil, errors.New("the device says what is no setting")
		}
		if key == "public_key" {
			d.Peers = append(d.Peers, wgtypes.Peer{})
			peer = &d.Peers[len(d.Peers)-1]
		}
		if err := setting(d, peer, key, value); err != nil {
			return nil, fmt.Errorf("the device says %s: %w", key, err)
		}
	}
	return nil, errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

func setting(d *wgtypes.Device, p *wgtypes.Peer, key, value string) (err error) {
	if key == "errno" {
		n, err := strconv.Atoi(value)
		if err == nil && n != 0 {
			err = unix.Errno(max(n, -n))
		}
		return err
	}
	if p == nil {
		switch key {
		case "private_key":
			d.PrivateKey, err = parseKey(value)
			d.PublicKey = d.PrivateKey.PublicKey()
		case "listen_port":
			d.ListenPort, err = strconv.Atoi(value)
		}
		return err
	}
	switch key {
	case "public_key":
		p.PublicKey, err = parseKey(value)
	case "preshared_key":
		p.PresharedKey, err = parseKey(value)
	case "endpoint":
		var at netip.AddrPort
		at, err = netip.ParseAddrPort(value)
		p.Endpoint = net.UDPAddrFromAddrPort(at)
	case "last_handshake_time_sec":
		var n int64
		if n, err = strconv.ParseInt(value, 10, 64); n > 0 {
			p.LastHandshakeTime = time.Unix(n, 0)
		}
	case "tx_bytes":
		p.TransmitBytes, err = strconv.ParseInt(value, 10, 64)
	case "rx_bytes":
		p.ReceiveBytes, err = strconv.ParseInt(value, 10, 64)
	case "allowed_ip":
		var ip *net.IPNet
		if _, ip, err = net.ParseCIDR(value); err == nil {
			p.AllowedIPs = append(p.AllowedIPs, *ip)
		}
	}
	return err
}

func parseKey(text string) (wgtypes.Key, error) {
	b, err := hex.DecodeString(text)
	if err != nil {
		return wgtypes.Key{}, errors.New("no key")
	}
	return wgtypes.NewKey(b)
}
