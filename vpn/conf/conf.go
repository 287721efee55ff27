// Package conf writes the configuration of a VPN's peer, as wg-quick(8) and the
// applications of WireGuard read it: as text, and as a QR code for a telephone,
// on a terminal or as a picture. It is pure: values in, bytes out.
package conf

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"rsc.io/qr"

	"ispctl"
)

// Config is what a peer needs to know. Without its private key it is for
// somebody who has that already.
type Config struct {
	Name         ispctl.Name
	PrivateKey   string // empty: the peer's own, which only it has
	PresharedKey string
	Preshared    bool // there is one, said or not
	Address      netip.Addr
	HostKey      ispctl.PublicKey
	Endpoint     string // host
	Port         uint16
	AllowedIPs   []netip.Prefix
}

// Text is the file. All values are of types that have no line breaks.
func (c Config) Text() string {
	var b strings.Builder
	say := func(key string, value any) { fmt.Fprintf(&b, "%s = %v\n", key, value) }
	fmt.Fprintf(&b, "# ispctl: peer %s\n[Interface]\n", c.Name)
	if c.PrivateKey != "" {
		say("PrivateKey", oneLine(c.PrivateKey))
	} else {
		b.WriteString("# PrivateKey = the peer's own, which is nowhere else\n")
	}
	say("Address", netip.PrefixFrom(c.Address, c.Address.BitLen()))
	b.WriteString("\n[Peer]\n")
	say("PublicKey", oneLine(string(c.HostKey)))
	switch {
	case c.PresharedKey != "":
		say("PresharedKey", oneLine(c.PresharedKey))
	case c.Preshared:
		b.WriteString("# PresharedKey = was shown once, when the peer was made\n")
	}
	if c.Endpoint != "" {
		say("Endpoint", net.JoinHostPort(oneLine(c.Endpoint), strconv.Itoa(int(c.Port))))
	} else {
		fmt.Fprintf(&b, "# Endpoint = ADDRESS:%d\n", c.Port)
	}
	all := make([]string, len(c.AllowedIPs))
	for i, p := range c.AllowedIPs {
		all[i] = p.String()
	}
	say("AllowedIPs", strings.Join(all, ", "))
	return b.String()
}

// oneLine is what all values here are already.
func oneLine(s string) string { return strings.NewReplacer("\n", "", "\r", "").Replace(s) }

// code is the QR code. The lowest level of redundancy makes the largest dots,
// and nothing is printed over it.
func (c Config) code() (*qr.Code, error) {
	code, err := qr.Encode(c.Text(), qr.L)
	if err != nil {
		return nil, fmt.Errorf("peer %s: qr code: %w", c.Name, err)
	}
	return code, nil
}

// quiet is the empty border that readers need, in dots.
const quiet = 4

// Terminal is the code in half blocks, two dots to a character, black on white
// whatever the terminal's colours are.
func (c Config) Terminal() (string, error) {
	code, err := c.code()
	if err != nil {
		return "", err
	}
	const begin, end = "\x1b[30;107m", "\x1b[0m\n"
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString(begin)
		for x := -quiet; x < code.Size+quiet; x++ {
			// Outside of it all is white.
			switch top, bottom := code.Black(x, y), y+1 < code.Size+quiet && code.Black(x, y+1); {
			case top && bottom:
				b.WriteRune('█')
			case top:
				b.WriteRune('▀')
			case bottom:
				b.WriteRune('▄')
			default:
				b.WriteRune(' ')
			}
		}
		b.WriteString(end)
	}
	return b.String(), nil
}

// PNG is the code as a picture, with its border.
func (c Config) PNG() ([]byte, error) {
	code, err := c.code()
	if err != nil {
		return nil, err
	}
	code.Scale = 6
	return bytes.Clone(code.PNG()), nil
}

// Dots are the code's rows, true where it is black, for those who draw it
// themselves.
func (c Config) Dots() ([][]bool, error) {
	code, err := c.code()
	if err != nil {
		return nil, err
	}
	rows := make([][]bool, code.Size)
	for y := range rows {
		rows[y] = make([]bool, code.Size)
		for x := range rows[y] {
			rows[y][x] = code.Black(x, y)
		}
	}
	return rows, nil
}
