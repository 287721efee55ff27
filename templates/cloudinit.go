package templates

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// text is a string that is quoted whatever it holds. cloud-init reads YAML 1.1,
// to which `52:54:00:12:34:56` is a number in base 60 and `no` is false.
type text string

// MarshalYAML returns a double-quoted scalar.
func (s text) MarshalYAML() (any, error) {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: string(s)}, nil
}

type metaDataDoc struct {
	InstanceID    text `yaml:"instance-id"`
	LocalHostname text `yaml:"local-hostname"`
}

func metaData(in SeedInput) metaDataDoc {
	return metaDataDoc{InstanceID: text(in.InstanceID), LocalHostname: text(in.Hostname)}
}

type userDataDoc struct {
	Hostname       text      `yaml:"hostname"`
	FQDN           text      `yaml:"fqdn"`
	ManageEtcHosts text      `yaml:"manage_etc_hosts"`
	DisableRoot    bool      `yaml:"disable_root"`
	SSHPwAuth      bool      `yaml:"ssh_pwauth"`
	Users          []userDoc `yaml:"users"`
}

type userDoc struct {
	Name       text   `yaml:"name"`
	LockPasswd bool   `yaml:"lock_passwd"`
	Shell      text   `yaml:"shell,omitempty"`
	Sudo       []text `yaml:"sudo,omitempty"`
	Keys       []text `yaml:"ssh_authorized_keys,omitempty"`
}

// userData lets one user in, by key. Where that is not root, root stays shut
// and the user becomes it by sudo.
func userData(t Template, in SeedInput) userDataDoc {
	user := userDoc{Name: text(t.Login), LockPasswd: true, Keys: texts(in.Keys)}
	if t.Login != "root" {
		user.Shell = "/bin/bash"
		user.Sudo = []text{"ALL=(ALL) NOPASSWD:ALL"}
	}
	return userDataDoc{
		Hostname:       text(in.Hostname),
		FQDN:           text(in.Hostname + "." + Domain(in.Zone)),
		ManageEtcHosts: "localhost", // the name resolves to 127.0.1.1, also while DNS is away
		DisableRoot:    t.Login != "root",
		Users:          []userDoc{user},
	}
}

type networkDoc struct {
	Version   int                    `yaml:"version"`
	Ethernets map[string]ethernetDoc `yaml:"ethernets"`
}

type ethernetDoc struct {
	Match       matchDoc   `yaml:"match"`
	SetName     text       `yaml:"set-name"`
	Addresses   []text     `yaml:"addresses,omitempty"`
	Generation  text       `yaml:"ipv6-address-generation,omitempty"`
	Routes      []routeDoc `yaml:"routes,omitempty"`
	Nameservers *dnsDoc    `yaml:"nameservers,omitempty"`
}

type matchDoc struct {
	MACAddress text `yaml:"macaddress"`
}

type routeDoc struct {
	To     text `yaml:"to"`
	Via    text `yaml:"via"`
	OnLink bool `yaml:"on-link,omitempty"`
}

type dnsDoc struct {
	Addresses []text `yaml:"addresses"`
	Search    []text `yaml:"search"`
}

// networkConfig is version 2. The default route is written as a prefix:
// cloud-init 22.4 (Debian 12) has no word `default` for its networkd renderer.
// It also writes the key as the interface's name beside the MAC, so the two
// have to agree: set-name.
func networkConfig(in SeedInput) networkDoc {
	doc := networkDoc{Version: 2, Ethernets: map[string]ethernetDoc{}}
	for i, n := range in.NICs {
		name := fmt.Sprintf("eth%d", i)
		e := ethernetDoc{
			Match:   matchDoc{MACAddress: text(n.MAC)},
			SetName: text(name),
		}
		for _, net := range n.Nets {
			e.Addresses = append(e.Addresses, text(net.Addr.String()))
			to := text("0.0.0.0/0")
			if net.Addr.Addr().Is6() {
				// The one link-local address that the wall lets through is that
				// made of the MAC.
				to, e.Generation = "::/0", "eui64"
			}
			if net.Gateway.IsValid() {
				e.Routes = append(e.Routes, routeDoc{To: to, Via: text(net.Gateway.String()), OnLink: net.onLink()})
			}
		}
		if len(n.DNS) > 0 {
			e.Nameservers = &dnsDoc{Search: []text{text(Domain(in.Zone))}}
			for _, d := range n.DNS {
				e.Nameservers.Addresses = append(e.Nameservers.Addresses, text(d.String()))
			}
		}
		doc.Ethernets[name] = e
	}
	return doc
}

func texts(all []string) []text {
	some := make([]text, len(all))
	for i, one := range all {
		some[i] = text(one)
	}
	return some
}

// encode is the only way YAML comes into a seed. Lines are not folded: a key
// stays greppable.
func encode(doc any) ([]byte, error) {
	return yaml.Dump(doc, yaml.WithIndent(2), yaml.WithLineWidth(-1))
}
