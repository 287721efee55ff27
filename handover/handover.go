// Package handover is the document by which a VM is handed to its tenant: how to
// come to it, how to know it, and what it may use. It is pure: values in, text,
// JSON, a page or a file of PDF out. What it holds is secret, so whoever has it
// written sees to where it goes.
package handover

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"ispctl"
)

// Document is all of it.
type Document struct {
	Tenant ispctl.Name `json:"tenant"`
	Title  string      `json:"title"`
	Made   time.Time   `json:"made_at"`
	VMs    []VM        `json:"vms"`
	VPN    *VPN        `json:"vpn,omitempty"`

	Gateway *Gateway `json:"gateway,omitempty"`
}

// Gateway is where the tenant looks after its machines without being in them.
type Gateway struct {
	SSH     string  `json:"ssh"` // the command, to which words are added
	Listen  string  `json:"listen"`
	HostKey HostKey `json:"host_key"`
	Known   bool    `json:"known"` // a key of the tenant is registered there
}

// KnownHosts is a line for a known_hosts file.
func (g Gateway) KnownHosts() string {
	host, port, err := net.SplitHostPort(g.Listen)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("[%s]:%s %s\n", host, port, g.HostKey.Line)
}

func (g Gateway) section() section {
	s := section{
		title: "Gateway: start, stop, restart and rebuild without logging in",
		facts: []fact{{"What there is to be said", g.SSH + " help"}, {"For example", g.SSH + " vm list"}, {"Host key", g.HostKey.Fingerprint}},
		note:  "It takes the keys that are registered with your provider, and no password.", code: g.KnownHosts(),
	}
	if !g.Known {
		s.note = "No key of yours is registered there yet: send your provider a public one."
	}
	return s
}

// VM is one machine.
type VM struct {
	Name         ispctl.Name `json:"name"`
	Addresses    []string    `json:"addresses"`
	AdminAddress string      `json:"admin_address"` // by the VPN; empty: none
	SSH          []string    `json:"ssh"`           // commands
	KnownAs      []string    `json:"known_as"`      // by forwards, as known_hosts(5) has it: [ADDRESS]:PORT
	HostKeys     []HostKey   `json:"host_keys"`
	Keys         []string    `json:"authorized_keys"` // fingerprints of who may log in
	Password     string      `json:"password"`        // of root, once; empty: none was set
	Forwards     []string    `json:"forwards"`
	Limits       []Limit     `json:"limits"`
	Console      string      `json:"console"`
	Report       string      `json:"report"` // command that shows what it has used; empty: nothing is metered
}

// HostKey is how to know the machine from any other.
type HostKey struct {
	Line        string `json:"line"` // TYPE BASE64
	Fingerprint string `json:"fingerprint"`
}

// Limit is what the machine may use of something.
type Limit struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// VPN is the tenant's way in.
type VPN struct {
	Peer   ispctl.Name `json:"peer"`
	Config string      `json:"config"`
	QR     [][]bool    `json:"-"` // true where it is black
}

// JSON writes it for programs.
func (d Document) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(d)
}

func (d Document) heading() string {
	if d.Title != "" {
		return "Handed over to " + d.Title
	}
	return "Handed over to " + string(d.Tenant)
}

// section is a part of the document, the same in each form.
type section struct {
	title string
	facts []fact
	code  string
	note  string
}

type fact struct{ name, value string }

// KnownHosts are lines for a known_hosts file, by which the machine is known
// before it is met.
func (v VM) KnownHosts() string {
	var b strings.Builder
	names := v.Addresses
	if v.AdminAddress != "" {
		names = append([]string{v.AdminAddress}, names...)
	}
	names = slices.Concat(names, v.KnownAs)
	for _, key := range v.HostKeys {
		if len(names) > 0 {
			fmt.Fprintf(&b, "%s %s\n", strings.Join(names, ","), key.Line)
		}
	}
	return b.String()
}

// sections are what there is to say, in order.
func (d Document) sections() []section {
	var all []section
	for _, v := range d.VMs {
		s := section{title: "Machine " + string(v.Name)}
		say := func(name string, values ...string) {
			if text := strings.Join(values, "\n"); text != "" {
				s.facts = append(s.facts, fact{name, text})
			}
		}
		say("Addresses", v.Addresses...)
		say("Admin address (by the VPN)", v.AdminAddress)
		say("Log in", v.SSH...)
		for _, key := range v.HostKeys {
			say("Host key", key.Fingerprint)
		}
		say("Keys that may log in as root", v.Keys...)
		if v.Password != "" {
			say("Password of root, to be changed at the first login", v.Password)
		}
		say("Carried to it from outside", v.Forwards...)
		for _, l := range v.Limits {
			say(l.Name, l.Value)
		}
		say("Console", v.Console)
		say("Usage", v.Report)
		all = append(all, s)
		if lines := v.KnownHosts(); lines != "" {
			all = append(all, section{title: "For known_hosts: " + string(v.Name), code: lines, note: "A machine that shows another key is not this one."})
		}
	}
	if d.Gateway != nil {
		all = append(all, d.Gateway.section())
	}
	if d.VPN != nil {
		all = append(all, section{title: "VPN: peer " + string(d.VPN.Peer), code: d.VPN.Config, note: "For wg-quick, or to be scanned by an application of WireGuard. The private key in it is kept nowhere else."})
	}
	return all
}

// Text writes it for a terminal.
func (d Document) Text(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", d.heading(), d.Made.UTC().Format(time.RFC3339))
	for _, s := range d.sections() {
		fmt.Fprintf(&b, "\n%s\n%s\n", s.title, strings.Repeat("-", len(s.title)))
		for _, f := range s.facts {
			fmt.Fprintf(&b, "%s:\n    %s\n", f.name, strings.ReplaceAll(f.value, "\n", "\n    "))
		}
		if s.note != "" {
			b.WriteString(s.note + "\n")
		}
		if s.code != "" {
			b.WriteString("\n" + s.code)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
