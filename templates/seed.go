package templates

import (
	"crypto/ed25519"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"

	"ispctl"
)

// SeedInput is what a guest is to know about itself.
type SeedInput struct {
	InstanceID string // another one makes cloud-init start over
	Hostname   string // a DNS label
	Zone       string // a DNS label; the domain is ZONE.internal
	Keys       []string
	NICs       []NICInput

	HostKey string             // public, as [HostKeyLine] writes it; empty: the guest makes its own
	Private ed25519.PrivateKey `json:"-"` // the other half; nil: left out, for what is only shown
}

// NICInput is one interface, found by its MAC.
type NICInput struct {
	MAC  string     // aa:bb:cc:dd:ee:ff
	Nets []NetInput // none or more, of either family
	DNS  []netip.Addr
}

// NetInput is an address of an interface.
type NetInput struct {
	Addr    netip.Prefix // with the length of its network
	Gateway netip.Addr   // of the default route of its family; invalid: none by here
}

// onLink reports whether the gateway has to be taken on trust to be on the
// link, since the address's own network does not hold it.
func (n NetInput) onLink() bool { return n.Gateway.IsValid() && !n.Addr.Masked().Contains(n.Gateway) }

// Domain is the domain of the guests of a zone. The top-level domain is the one
// that ICANN has reserved for private use.
func Domain(zone string) string { return zone + ".internal" }

// instancePattern keeps an instance id one word, and cloud-init's directory of
// that name one directory.
var instancePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// Seed renders the files of a guest's seed, by name. Errors are of kind
// [ispctl.Usage]: nothing that could break out of its place in a file gets in.
func Seed(t Template, in SeedInput) (map[string][]byte, error) {
	in, err := in.clean()
	if err != nil {
		return nil, err
	}
	files := plainFiles(t, in)
	if t.Setup == SetupPlain {
		if err := plainRecipe(t, files); err != nil {
			return nil, err
		}
	}
	for name, doc := range map[string]any{
		"meta-data":      metaData(in),
		"network-config": networkConfig(in),
	} {
		if files[name], err = encode(doc); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	user, err := encode(userData(t, in))
	if err != nil {
		return nil, fmt.Errorf("user-data: %w", err)
	}
	files["user-data"] = append([]byte("#cloud-config\n"), user...)
	return files, nil
}

// clean checks the input and brings it to one form.
func (in SeedInput) clean() (SeedInput, error) {
	if !instancePattern.MatchString(in.InstanceID) {
		return in, ispctl.Invalid("instance id", in.InstanceID, "is not one word of letters, digits and hyphens")
	}
	if _, err := ispctl.ParseName("hostname", in.Hostname); err != nil {
		return in, err
	}
	if _, err := ispctl.ParseName("zone", in.Zone); err != nil {
		return in, err
	}
	if err := in.checkHostKey(); err != nil {
		return in, err
	}
	keys := make([]string, len(in.Keys))
	for i, k := range in.Keys {
		// ParseSSHKey forgives a newline at the end, which is right for what
		// comes from a file, and not for what comes from the database.
		if strings.ContainsAny(k, "\r\n") {
			return in, ispctl.Invalid("ssh key", "", "has more than one line")
		}
		key, err := ispctl.ParseSSHKey(k)
		if err != nil {
			return in, err
		}
		keys[i] = key
	}
	in.Keys = keys
	nics := make([]NICInput, len(in.NICs))
	for i, n := range in.NICs {
		mac, err := net.ParseMAC(n.MAC)
		if err != nil || len(mac) != 6 {
			return in, ispctl.Invalid("mac", n.MAC, "is not six bytes in hex")
		}
		n.MAC = mac.String()
		for _, net := range n.Nets {
			if err := net.check(n.MAC); err != nil {
				return in, err
			}
		}
		for _, d := range n.DNS {
			if !d.IsValid() || d.Zone() != "" {
				return in, ispctl.Invalid("nic", n.MAC, "has a resolver without an address, or one with a scope")
			}
		}
		nics[i] = n
	}
	in.NICs = nics
	return in, nil
}

func (n NetInput) check(mac string) error {
	switch {
	case !n.Addr.IsValid(), n.Addr.Addr().Zone() != "", n.Gateway.Zone() != "":
		return ispctl.Invalid("nic", mac, "has no address, or one with a scope")
	case n.Gateway.IsValid() && n.Gateway.Is4() != n.Addr.Addr().Is4():
		return ispctl.Invalid("nic", mac, "has a gateway %s for %s", n.Gateway, n.Addr)
	}
	return nil
}

// plainFiles are the part of the seed that takes no cloud-init. The network is a line
// for each address: MAC, address, gateway or -, and onlink where the gateway
// is.
func plainFiles(t Template, in SeedInput) map[string][]byte {
	var network, resolvers strings.Builder
	for _, n := range in.NICs {
		for _, net := range n.Nets {
			gateway := "-"
			if net.Gateway.IsValid() {
				gateway = net.Gateway.String()
			}
			if net.onLink() {
				gateway += " onlink"
			}
			fmt.Fprintf(&network, "%s %s %s\n", n.MAC, net.Addr, gateway)
		}
		for _, d := range n.DNS {
			fmt.Fprintln(&resolvers, d)
		}
	}
	files := map[string][]byte{
		"ispctl/instance":        []byte(in.InstanceID + "\n"),
		"ispctl/login":           []byte(t.Login + "\n"),
		"ispctl/console":         []byte(t.Console + "\n"),
		"ispctl/hostname":        []byte(in.Hostname + "\n"),
		"ispctl/domain":          []byte(Domain(in.Zone) + "\n"),
		"ispctl/authorized_keys": []byte(lines(in.Keys)),
		"ispctl/network":         []byte(network.String()),
		"ispctl/resolvers":       []byte(resolvers.String()),
	}
	hostKeyFiles(in, files)
	return files
}

func lines(all []string) string {
	var b strings.Builder
	for _, one := range all {
		b.WriteString(one)
		b.WriteByte('\n')
	}
	return b.String()
}
