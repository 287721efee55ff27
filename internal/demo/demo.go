// Package demo brings up a private provider to look at: two network namespaces
// of its own, one of them the Internet, a real guest in each of two zones, and
// proof of what they can reach. It works through the ispctl program, by the
// commands a user would type, and touches nothing of the host's own network.
//
//	ispctl-demo-internet                 ispctl-demo
//	  inet0 203.0.113.1/24 ---veth--- eth0 203.0.113.2/24
//	        2001:db8::1/64                 2001:db8::2/64
//	  who logs in                        isp-dmz  10.10.0.1/24 --- web1  (debian-12)
//	                                     isp-mail 10.20.0.1/24 --- mail1 (micro)
//
// At the end web1 is handed over to a tenant, acme, and its document is shown.
//
// The addresses are for documentation (RFC 5737, RFC 3849) and exist only in there.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/renameio/v2"

	"ispctl"
	"ispctl/internal/netns"
)

// Names of what the demo makes on the host.
const (
	DefaultRoot = "/run/ispctl-demo"
	ProviderNS  = "ispctl-demo"
	InternetNS  = "ispctl-demo-internet"
)

// Addresses of the demo's Internet.
const (
	gateway     = "203.0.113.1"
	hostAddress = "203.0.113.2"
	external1   = "203.0.113.10"
	external2   = "203.0.113.11"
	sshForward  = "2222"
	webGuest    = "10.10.0.2"
	mailGuest   = "10.20.0.2"
	adminPrefix = "10.255.0.0/16"
	webLeg      = "10.255.0.2" // on the admin leg of its zone
	mailLeg     = "10.255.1.2"
	dmzGateway  = "10.10.0.1"
	dmzPrefix   = "10.10.0.0/24"
	mailGateway = "10.20.0.1"
	mailPrefix  = "10.20.0.0/24"
	vpnPrefix   = "10.99.0.0/24"
	vpnPort     = "51820"
)

// The same by IPv6 (RFC 3849); what is delegated is routed to the host.
const (
	gateway6     = "2001:db8::1"
	hostAddress6 = "2001:db8::2"
	delegated    = "2001:db8:100::/40"
	dmzPrefix6   = "2001:db8:110::/64"
	dmzGateway6  = "2001:db8:110::1"
	webGuest6    = "2001:db8:110::2"
	mailPrefix6  = "2001:db8:120::/64"
	mailGateway6 = "2001:db8:120::1"
	mailGuest6   = "2001:db8:120::2"
)

// Demo is one demo under one root.
type Demo struct {
	Root    string
	Program string // the ispctl to run
	Out     io.Writer
	Err     io.Writer

	webKey string // that opens web1 now
}

// Status is the demo as scripts see it.
type Status struct {
	Root       string   `json:"root"`
	Namespaces []string `json:"namespaces"`
	Addresses  []string `json:"external_addresses"`
	VMs        []VM     `json:"vms"`
	Checks     []Check  `json:"checks"`
	Policies   []Cell   `json:"policies"` // who may open what to whom, and what packets said of it
}

// VM is a guest of the demo.
type VM struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	SSH     string `json:"ssh"` // from the Internet or, where no forward leads to it, from the host
}

// Check is one proof.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func (d *Demo) dir() string         { return filepath.Join(d.Root, "demo") }
func (d *Demo) key() string         { return filepath.Join(d.dir(), "id_ed25519") }
func (d *Demo) tenantKey() string   { return filepath.Join(d.dir(), "acme_ed25519") }
func (d *Demo) handedHosts() string { return filepath.Join(d.dir(), "acme_known_hosts") }
func (d *Demo) knownHosts() string  { return filepath.Join(d.dir(), "known_hosts") }
func (d *Demo) statusFile() string  { return filepath.Join(d.dir(), "status.json") }
func (d *Demo) document() string    { return filepath.Join(d.dir(), "provider.yaml") }

// Status reads what `demo up` found. A demo that is not up is NotFound.
func (d *Demo) Status() (Status, error) {
	var s Status
	data, err := os.ReadFile(d.statusFile())
	if errors.Is(err, os.ErrNotExist) {
		return s, &ispctl.Error{Kind: ispctl.NotFound, Object: "demo " + d.Root, Cause: "is not up", Next: "run: ispctl demo up"}
	}
	if err != nil {
		return s, fmt.Errorf("demo: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("demo: %s: %w", d.statusFile(), err)
	}
	return s, nil
}

func (d *Demo) save(s Status) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return renameio.WriteFile(d.statusFile(), append(data, '\n'), 0o644)
}

// claim takes the root for the demo. One that holds something else is refused:
// `demo down` will remove all that is under it.
func (d *Demo) claim() error {
	entries, err := os.ReadDir(d.Root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("demo: %w", err)
	}
	if _, err := os.Stat(d.dir()); err != nil && len(entries) > 0 {
		return ispctl.Conflicting("demo root", d.Root, "is a directory with something else in it; give an empty one with --root")
	}
	return os.MkdirAll(d.dir(), 0o755)
}

// asks runs the program for what it prints.
func (d *Demo) asks(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.Program, append([]string{"--root", d.Root}, args...)...)
	cmd.Stderr = d.Err
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ispctl %s: %w", args[0], err)
	}
	return out, nil
}

// ispctl runs the program against the demo's root and shows what it does.
func (d *Demo) ispctl(ctx context.Context, args ...string) error {
	fmt.Fprintf(d.Out, "$ ispctl --root %s %s\n", d.Root, quoted(args))
	cmd := exec.CommandContext(ctx, d.Program, append([]string{"--root", d.Root}, args...)...)
	cmd.Stdout, cmd.Stderr = d.Out, d.Err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ispctl %s: %w", args[0], err)
	}
	return nil
}

func quoted(args []string) string {
	var s string
	for i, a := range args {
		if i > 0 {
			s += " "
		}
		s += a
	}
	return s
}

// inside runs a program in a namespace and returns what it printed.
func inside(ctx context.Context, ns string, argv ...string) (string, error) {
	var out []byte
	err := netns.Do(ns, func() error {
		var err error
		out, err = exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
		return err
	})
	return string(out), err
}
