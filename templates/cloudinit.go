package templates

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"

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
	HostKeys       *keysDoc  `yaml:"ssh_keys,omitempty"`
	Users          []userDoc `yaml:"users"`
	Update         bool      `yaml:"package_update,omitempty"` // images come without lists of packages
	Packages       []text    `yaml:"packages,omitempty"`
	BootCmd        [][]text  `yaml:"bootcmd,omitempty"`
	WriteFiles     []fileDoc `yaml:"write_files,omitempty"`
	RunCmd         [][]text  `yaml:"runcmd,omitempty"`
}

// keysDoc is the host key, for images that read nothing but this.
type keysDoc struct {
	Private text `yaml:"ed25519_private"`
	Public  text `yaml:"ed25519_public"`
}

type userDoc struct {
	Name       text   `yaml:"name"`
	LockPasswd bool   `yaml:"lock_passwd"`
	Shell      text   `yaml:"shell,omitempty"`
	Groups     []text `yaml:"groups,omitempty"`
	Sudo       []text `yaml:"sudo,omitempty"`
	Keys       []text `yaml:"ssh_authorized_keys,omitempty"`
}

// userData lets one user in, by key. Where that is not root, root stays shut
// and the user becomes it by sudo.
func userData(t Template, in SeedInput) userDataDoc {
	user := userDoc{Name: text(t.Login), LockPasswd: true, Keys: texts(in.Keys)}
	if t.Login != "root" {
		user.Shell = "/bin/bash"
		user.Sudo = []text{everything}
	}
	doc := userDataDoc{
		Hostname:       text(in.Hostname),
		FQDN:           text(in.Hostname + "." + Domain(in.Zone)),
		ManageEtcHosts: "localhost", // the name resolves to 127.0.1.1, also while DNS is away
		DisableRoot:    t.Login != "root",
		Users:          []userDoc{user},
	}
	if in.Private != nil {
		comment := "root@" + in.Hostname
		doc.HostKeys = &keysDoc{text(openSSHKey(in.Private, comment)), text(in.HostKey + " " + comment)}
	}
	doc.recipe(t)
	return doc
}

type fileDoc struct {
	Path        text `yaml:"path"`
	Owner       text `yaml:"owner"`
	Permissions text `yaml:"permissions"`
	Encoding    text `yaml:"encoding,omitempty"`
	Content     text `yaml:"content"`
	Defer       bool `yaml:"defer,omitempty"`
}

// recipe is what the template has for a guest beside the one who logs in.
func (doc *userDataDoc) recipe(t Template) {
	doc.Packages, doc.Update = texts(t.Packages), len(t.Packages) > 0
	for _, u := range t.Users {
		user := userDoc{Name: text(u.Name), LockPasswd: true, Shell: text(u.Shell), Groups: texts(u.Groups), Keys: texts(u.Keys)}
		if u.Sudo {
			user.Sudo = []text{everything}
		}
		doc.Users = append(doc.Users, user)
	}
	if t.Console == ConsoleNone {
		doc.BootCmd = [][]text{texts([]string{"systemctl", "mask", "--now", "serial-getty@ttyS0.service"})}
	}
	files, steps := t.firstBoot()
	for _, f := range files {
		doc.WriteFiles = append(doc.WriteFiles, writeFile(f))
	}
	for _, s := range steps {
		doc.RunCmd = append(doc.RunCmd, texts(s))
	}
}

// writeFile says a text as it is, for whoever reads the seed, and anything else
// in base 64: YAML has no zero, and cloud-init takes no byte for itself. Who
// owns it may be made later than cloud-init writes files.
func writeFile(f File) fileDoc {
	doc := fileDoc{Path: text(f.Path), Owner: text(f.Owner), Permissions: text(f.Mode), Content: text(f.Content), Defer: f.Owner != "root:root"}
	if strings.ContainsFunc(f.Content, func(r rune) bool { return (r < ' ' || r > '~') && r != '\n' && r != '\t' }) {
		doc.Encoding, doc.Content = "b64", text(base64.StdEncoding.EncodeToString([]byte(f.Content)))
	}
	return doc
}

// firstBoot is what is written, scripts included, and what is run then, in
// order.
func (t Template) firstBoot() ([]File, [][]string) {
	files := slices.Clone(t.Files)
	var steps [][]string
	for i, s := range t.Steps {
		if s.Script == "" {
			steps = append(steps, s.Run)
			continue
		}
		f := File{Path: fmt.Sprintf("%s/step-%03d", stepDir, i+1), Mode: "0700", Owner: "root:root", Content: s.Script}
		files, steps = append(files, f), append(steps, []string{f.Path})
	}
	return files, steps
}

// stepDir is where scripts are in a guest.
const stepDir = "/var/lib/ispctl"

// everything is for sudoers(5): as anybody, without a password.
const everything = "ALL=(ALL) NOPASSWD:ALL"

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
			if net.Addr.Addr().Is6() {
				// The one link-local address that the wall lets through is that
				// made of the MAC.
				e.Generation = "eui64"
			}
			if net.Gateway.IsValid() {
				for _, to := range everywhere(net.Gateway) {
					e.Routes = append(e.Routes, routeDoc{To: to, Via: text(net.Gateway.String()), OnLink: net.onLink()})
				}
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

// everywhere is the default route as cloud-init 22.4 understands it. It takes the
// length of ::/0, which is nothing, for none, and writes ::/64; so the route is
// made of the half with all global addresses and the rest.
func everywhere(gateway netip.Addr) []text {
	if gateway.Is6() {
		return []text{"::/1", "8000::/1"}
	}
	return []text{"0.0.0.0/0"}
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
