package document_test

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/operations/document"
)

// comparable compares addresses and prefixes by ==.
var comparable = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

const whole = `version: 1
uplink: {interface: eth0, kind: routed, address: 203.0.113.2/24, gateway: 203.0.113.1}
host:
  services: [22/tcp, "51820/udp"]
addresses: [203.0.113.10]
zones:
  - name: dmz
    prefix: 10.10.0.0/24
    vlan: 10
    snat: 203.0.113.10
  - {name: mail, prefix: 10.20.0.0/24, egress: true, isolated: true, mtu: 1400, dhcp: true, dns: true}
  - {name: lab, prefix: 10.30.0.0/24}
plans:
  - {name: small, cpus: 2, memory: 512MiB, disk: 4 GiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: small, address: 10.10.0.9, state: stopped, ssh_keys: ["` + key + ` me"]}
  - {name: mail1, template: debian-12, zone: mail, plan: small}
  - {name: lab1, template: micro, zone: lab, plan: small, ssh_keys: []}
forwards:
  - {listen: "203.0.113.10:2222", to: "web1:22"}
policies:
  - {from: dmz, to: mail, services: [tcp/25, icmp], families: [ipv4, ipv6], log: true}
  - {from: mail, to: internet}
`

func TestParse(t *testing.T) {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	type at = document.At
	want := &document.Document{
		File:     "p.yaml",
		Uplink:   &ispctl.Uplink{Interface: "eth0", Kind: ispctl.Routed, Address: prefix("203.0.113.2/24"), Gateway: addr("203.0.113.1")},
		UplinkAt: at{2, 9}, HostServices: &[]ispctl.Service{{Port: 22, Proto: ispctl.TCP}, {Port: 51820, Proto: ispctl.UDP}},
		Addresses: []document.Address{{At: at{5, 13}, Address: ispctl.Address{Addr: addr("203.0.113.10")}}},
		Zones: []document.Zone{
			{At: at{7, 5}, SNATAt: at{10, 11}, Zone: ispctl.Zone{Name: "dmz", Prefix: prefix("10.10.0.0/24"), VLAN: 10, SNAT: addr("203.0.113.10"), Egress: true}},
			{At: at{11, 5}, Zone: ispctl.Zone{Name: "mail", Prefix: prefix("10.20.0.0/24"), Egress: true, Isolated: true, MTU: 1400, DHCP: true, DNS: true}},
			{At: at{12, 5}, Zone: ispctl.Zone{Name: "lab", Prefix: prefix("10.30.0.0/24")}},
		},
		Plans: []document.Plan{{At: at{14, 5}, Plan: ispctl.Plan{Name: "small", CPUs: 2, Memory: 512 * ispctl.MiB, Disk: 4 * ispctl.GiB}}},
		VMs: []document.VM{
			{
				At: at{16, 5}, TemplateAt: at{16, 28}, ZoneAt: at{16, 41}, PlanAt: at{16, 52}, Name: "web1", Template: "micro", Zone: "dmz", Plan: "small",
				Address: addr("10.10.0.9"), State: ispctl.Stopped, SSHKeys: &[]string{key + " me"},
			},
			{At: at{17, 5}, TemplateAt: at{17, 29}, ZoneAt: at{17, 46}, PlanAt: at{17, 58}, Name: "mail1", Template: "debian-12", Zone: "mail", Plan: "small"},
			{At: at{18, 5}, TemplateAt: at{18, 28}, ZoneAt: at{18, 41}, PlanAt: at{18, 52}, Name: "lab1", Template: "micro", Zone: "lab", Plan: "small", SSHKeys: &[]string{}},
		},
		Forwards: []document.Forward{{
			At: at{20, 5}, ListenAt: at{20, 14}, ToAt: at{20, 39},
			Forward: ispctl.Forward{Listen: ispctl.Listen{Addr: addr("203.0.113.10"), Port: 2222, Proto: ispctl.TCP}, VM: "web1", Port: 22},
		}},
	}
	for _, family := range []ispctl.Family{ispctl.IPv4, ispctl.IPv6} {
		for _, o := range []ispctl.Opening{{Transport: ispctl.TransportTCP, Port: 25}, {Transport: ispctl.ICMP}} {
			want.Policies = append(want.Policies, document.Policy{
				At: at{22, 5}, FromAt: at{22, 12}, ToAt: at{22, 21}, Policy: ispctl.Policy{From: "dmz", To: "mail", Opening: o, Family: family, Log: true},
			})
		}
	}
	want.Policies = append(want.Policies, document.Policy{
		At: at{23, 5}, FromAt: at{23, 12}, ToAt: at{23, 22},
		Policy: ispctl.Policy{From: "mail", To: "internet", Opening: ispctl.Opening{Transport: ispctl.AnyTransport}, Family: ispctl.IPv4},
	})
	got, err := document.Parse("p.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, comparable); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestParseTakes documents that say little: what is not mentioned is not in
// it, and what is empty is.
func TestParseTakes(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     document.Document
	}{
		{"only a version", "version: 1", document.Document{}},
		{"as JSON", `{"version": 1, "zones": [], "addresses": []}`, document.Document{}},
		{"empty sequences", "version: 1\nzones:\nvms: []\n", document.Document{}},
		{"a byte order mark and CRLF", "\ufeffversion: 1\r\nzones: []\r\n", document.Document{}},
		{"no host services", "version: 1\nhost: {services: []}\n", document.Document{HostServices: &[]ispctl.Service{}}},
		{"numbers in quotes", "version: '1'\nhost: {services: ['22/tcp']}\n", document.Document{HostServices: &[]ispctl.Service{{Port: 22, Proto: ispctl.TCP}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := document.Parse("", []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got, comparable); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

const (
	topKeys  = "addresses, admin, flows, forwards, gateway, host, metering, plans, policies, quotas, sharing, tariffs, tenants, totals, uplink, version, vms, vpn, zones"
	zoneKeys = "dhcp, dns, egress, flows, isolated, ksm, mtu, name, prefix, prefix6, snat, trunk, vlan"
	dnsLabel = "; use a DNS label: a letter, then letters, digits and hyphens, at most 63 bytes, lower case"
)

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		// The file as a whole.
		{"empty", "", "1:1: yaml: no documents in stream"},
		{"only a comment", "# version: 1\n", "1:1: yaml: no documents in stream"},
		{"a document of nothing", "---\n", "2:1: want a mapping with the keys " + topKeys},
		{"a sequence", "- version: 1", "1:1: want a mapping with the keys " + topKeys},
		{"a word", "version", "1:1: want a mapping with the keys " + topKeys},
		{"two documents", "version: 1\n---\nversion: 1\n", "1:1: yaml: expected single document, found multiple"},
		{"no YAML", "version: 1\nzones: [", "3:1: did not find expected node content"},
		{"a tab", "version: 1\n\tzones: []", "2:1: found a tab character that violates indentation"},
		{"a control character", "version: 1\nvms: \x01", "1:1: control characters are not allowed (value: 1)"},
		{"too many brackets", "version: 1\nzones: []]", "2:10: did not find expected key"},
		{"an anchor that is not there", "version: *x", "1:10: unknown anchor 'x' referenced"},

		// The version.
		{"no version", "zones: []", `1:1: key "version" is missing`},
		{"version to come, and what is to come with it", "version: 2\ncolour: red\n", "1:10: version 2 is not known; this ispctl reads version 1"},
		{"version 0", "version: 0", "1:10: version 0 is not known; this ispctl reads version 1"},
		{"version of a word", "version: one", `1:10: "one" is no whole number`},
		{"version of nothing", "version:", "1:9: want a value"},

		// Keys.
		{"unknown key", "version: 1\ncolour: red\n", `2:1: unknown key "colour"; have: ` + topKeys},
		{"key twice", "version: 1\nzones: []\nzones: []\n", `3:1: key "zones" is there twice`},
		{"key of a sequence", "version: 1\n? [a, b]\n: c\n", `2:3: unknown key ""; have: ` + topKeys},
		{"merged mapping", "version: 1\nzones:\n- <<: {name: a}\n  name: b\n  prefix: 10.0.0.0/24\n", `3:3: unknown key "<<"; have: dhcp, dns, egress, flows, isolated, ksm, mtu, name, prefix, prefix6, snat, trunk, vlan`},
		{"mapping for a sequence", "version: 1\nzones: {a: b}", "2:8: want a sequence"},
		{"word for a sequence", "version: 1\nvms: web1", "2:6: want a sequence"},
		{"word for a mapping", "version: 1\nzones: [dmz]", "2:9: want a mapping with the keys dhcp, dns, egress, flows, isolated, ksm, mtu, name, prefix, prefix6, snat, trunk, vlan"},
		{"nothing for a mapping", "version: 1\nuplink:\n", "2:8: want a mapping with the keys address, address6, address_rest, delivers, down, gateway, gateway6, interface, kind, on_move, up"},
		{"keys that are missing", "version: 1\nvms: [{}]\nzones: [{}]\nplans: [{}]\nforwards: [{}]\nuplink: {}\nhost: {}\n", `2:7: key "name" is missing
2:7: key "template" is missing
2:7: key "zone" is missing
2:7: key "plan" is missing
3:9: key "name" is missing
3:9: key "prefix" is missing
4:9: key "name" is missing
4:9: key "cpus" is missing
4:9: key "memory" is missing
4:9: key "disk" is missing
5:12: key "listen" is missing
5:12: key "to" is missing
6:9: key "interface" is missing
7:7: key "services" is missing`},

		// Aliases, in every place.
		{"aliases", "version: 1\nzones: &z [&a {name: &n a, prefix: 10.0.0.0/24}, *a, {name: *n, prefix: 10.1.0.0/24}]\nvms: *z\nplans: *z\nforwards: *z\nuplink: *a\nhost: {services: *z}\naddresses: [*n]\n", `2:50: aliases are not taken
2:61: aliases are not taken
3:6: aliases are not taken
4:8: aliases are not taken
5:11: aliases are not taken
6:9: aliases are not taken
7:18: aliases are not taken
8:13: aliases are not taken`},

		// Values.
		{"no values", "version: 1\nzones:\n- {prefix: [1], name: {}, vlan: , egress: ~, snat: null}\n", `3:12: want a value
3:23: want a value
3:33: want a value
3:43: want a value
3:52: want a value`},
		{"uplink", "version: 1\nuplink: {interface: a b, kind: [], address: 203.0.113.2, gateway: x}\n", `2:32: want a value
2:45: "203.0.113.2" is not ADDRESS/LENGTH
2:67: "x" is no IP address`},
		{"uplink's interface", "version: 1\nuplink: {interface: a b}\n", `2:9: interface "a b": the name has a character no interface should have`},
		{"uplink's kind", "version: 1\nuplink: {interface: eth0, kind: magic}\n", `2:9: uplink "eth0": kind "magic" is not known; have: [routed vmac failover bridged]`},
		{"services", "version: 1\nhost: {services: [22, ssh/tcp, [22/tcp]]}\n", `2:19: service "22": is not PORT/tcp or PORT/udp
2:23: service "ssh/tcp": is not PORT/tcp or PORT/udp
2:32: want a value`},
		{"addresses", "version: 1\naddresses: [203.0.113.256, fe80::1%eth0, 203.0.113.1/24, {}]\n", `2:13: "203.0.113.256" is no IP address
2:28: "fe80::1%eth0" is no IP address
2:42: "203.0.113.1/24" is no IP address
2:58: key "address" is missing`},
		{"admin network", "version: 1\nadmin: {prefix: all, links: [wg0, 'a/b'], services: [x], colour: red}\n", `2:17: "all" is not ADDRESS/LENGTH
2:35: interface "a/b": the name has a character no interface should have
2:54: service "x": is not PORT/tcp or PORT/udp
2:58: unknown key "colour"; have: links, prefix, services`},
		{"admin network by itself", "version: 1\nadmin: {prefix: 203.0.113.0/24}\n", `2:17: admin network "203.0.113.0/24": is public; take a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10`},
		{"VM on a leg, perhaps", "version: 1\nvms: [{name: a, template: t, zone: z, plan: p, admin: 1}]\n", `2:55: "1" is not true or false`},
		{"use of addresses", "version: 1\naddresses:\n- {address: 203.0.113.1, vm: web1}\n- {address: 203.0.113.2, mode: snat}\n- {address: 203.0.113.3, vm: web1, mode: nat}\n- {address: 203.0.113.4, mac: \"01:00:00:00:00:01\"}\n- {address: 203.0.113.5, mac: \"00:00:00:00:00:00\"}\n", `3:3: address "203.0.113.1": is vm "web1"'s in no mode; have: [snat one-to-one routed wire]
4:3: address "203.0.113.2": mode snat needs a VM
5:42: mode "nat": is not known; have: [snat one-to-one routed wire]
6:31: MAC "01:00:00:00:00:01": is a group's, not one machine's
7:31: MAC "00:00:00:00:00:00": is nobody's`},
		{"range of ports", "version: 1\nforwards:\n- {listen: 203.0.113.1:20-10, to: \"a:20\"}\n- {listen: 203.0.113.1:5000-65536/udp, to: \"a:20\"}\n", `3:12: forward "203.0.113.1:20-10": is not ADDRESS:FIRST-LAST/PROTO with ports that rise up to 65535
4:12: forward "203.0.113.1:5000-65536/udp": is not ADDRESS:FIRST-LAST/PROTO with ports that rise up to 65535`},
		{"zone", "version: 1\nzones:\n- {name: Web, prefix: nonsense, vlan: 0x10, snat: y, egress: yes}\n", `3:10: zone "Web": the name does not start with a lower-case letter` + dnsLabel + `
3:23: "nonsense" is not ADDRESS/LENGTH
3:39: "0x10" is no whole number
3:51: "y" is no IP address
3:62: "yes" is not true or false`},
		{"zone by itself", "version: 1\nzones:\n- {name: a, prefix: 10.0.0.1/24}\n- {name: b, prefix: 10.1.0.0/24, vlan: 4095}\n- {name: c, prefix: 10.2.0.0/24, snat: 203.0.113.1, egress: false}\n", `3:3: zone "a": prefix 10.0.0.1/24 has host bits set; did you mean 10.0.0.0/24?
4:3: zone "b": vlan 4095 is not 1 to 4094`},
		{"plan", "version: 1\nplans: [{name: '', cpus: 1.5, memory: 512, disk: -1GiB}]\n", `2:16: plan: the name is empty` + dnsLabel + `
2:26: "1.5" is no whole number
2:39: size "512": has no unit that is known; write KiB, MiB, GiB or TiB (or kB, MB, GB, TB), as in 512MiB
2:50: size "-1GiB": is no whole number of GiB`},
		{"plan by itself", "version: 1\nplans: [{name: a, cpus: 0, memory: 1GiB, disk: 1GiB}]\n", `2:9: plan "a": cpus 0 is not 1 to 512`},
		{"VM", "version: 1\nvms: [{name: a_b, template: T, zone: Z, plan: P, address: 10.0.0, state: absent, ssh_keys: [x, ~, 'ssh-ed25519 AAAA']}]\n", `2:14: vm "a_b": the name has a character that is no lower-case letter, digit or hyphen` + dnsLabel + `
2:29: template "T": the name does not start with a lower-case letter` + dnsLabel + `
2:38: zone "Z": the name does not start with a lower-case letter` + dnsLabel + `
2:47: plan "P": the name does not start with a lower-case letter` + dnsLabel + `
2:59: "10.0.0" is no IP address
2:74: state "absent" is not running or stopped
2:93: ssh key: does not start with a known key type such as ssh-ed25519 (options are not taken)
2:96: want a value
2:99: ssh key: says ssh-ed25519 and holds another type`},
		{"forward", "version: 1\nforwards: [{listen: x, to: y}, {listen: '203.0.113.1:0', to: 'a:0'}]\n", `2:21: forward "x": is not ADDRESS:PORT/PROTO with a port of 1 to 65535
2:28: forward target "y": is not VM:PORT
2:41: forward "203.0.113.1:0": is not ADDRESS:PORT/PROTO with a port of 1 to 65535
2:62: forward target "a:0": has no port of 1 to 65535`},

		{"policy", "version: 1\npolicies:\n- {from: A, services: [tcp, tcp/0], families: [ipv5], log: 1}\n- {from: a, to: a}\n- {from: host, to: a}\n- {from: internet, to: host}\n- {from: a, to: b, services: []}\n", `3:10: zone "A": the name does not start with a lower-case letter` + dnsLabel + `
3:24: service "tcp": is not tcp/PORT, udp/PORT, icmp or any
3:29: service "tcp/0": is not tcp/PORT, udp/PORT, icmp or any
3:48: family "ipv5": is not ipv4 or ipv6
3:60: "1" is not true or false
3:3: key "to" is missing
4:3: policy "a -> a any ipv4": both ends are the same; what is inside a zone is not the firewall's to say
5:3: policy "host -> a any ipv4": the host reaches its guests as it is
6:3: policy "internet -> host any ipv4": what the host answers on the uplink is listed by ` + "`ispctl init --host-service`" + `
7:3: a policy without any service or family lets nothing through; leave it out`},
		{"policy twice", "version: 1\npolicies:\n- {from: a, to: b, services: [icmp, icmp]}\n- {from: a, to: b, services: [icmp], log: true}\n", `3:3: policy a -> b icmp ipv4 is in line 3 already
4:3: policy a -> b icmp ipv4 is in line 3 already`},

		// Objects that are there twice; one that could not be read is not.
		{"objects twice", `version: 1
addresses: [203.0.113.1, x, x, 203.0.113.1]
zones: [{name: a, prefix: 10.0.0.0/24}, {name: a, prefix: 10.1.0.0/24}]
plans: [{name: a, cpus: 1, memory: 1GiB, disk: 1GiB}, {name: a, cpus: 1, memory: 1GiB, disk: 1GiB}]
vms: [{name: a, template: t, zone: a, plan: a}, {name: a, template: t, zone: a, plan: a}]
forwards: [{listen: '203.0.113.1:1', to: 'a:1'}, {listen: '203.0.113.1:1/tcp', to: 'a:2'}, {listen: '203.0.113.1:1/udp', to: 'a:1'}]
`, `2:26: "x" is no IP address
2:29: "x" is no IP address
2:32: address 203.0.113.1 is in line 2 already
3:41: zone a is in line 3 already
4:55: plan a is in line 4 already
5:49: vm a is in line 5 already
6:50: forward 203.0.113.1:1/tcp is in line 6 already`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := document.Parse("p.yaml", []byte(tt.in))
			if err == nil {
				t.Fatal("it was taken")
			}
			want := "p.yaml:" + strings.ReplaceAll(tt.want, "\n", "\np.yaml:")
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if ispctl.KindOf(err) != ispctl.Usage {
				t.Errorf("kind %d", ispctl.KindOf(err))
			}
		})
	}
}

func TestParseHuge(t *testing.T) {
	var many strings.Builder
	many.WriteString("version: 1\naddresses:\n")
	const n = 20000
	for i := range n {
		fmt.Fprintf(&many, "- 203.%d.%d.1\n", i/256, i%256)
	}
	if d, err := document.Parse("p.yaml", []byte(many.String())); err != nil || len(d.Addresses) != n {
		t.Errorf("%d addresses: %v", n, err)
	}
	for name, in := range map[string]string{
		"larger than is read": "version: 1\n" + strings.Repeat("#", document.MaxBytes),
		"deep":                "version: 1\nzones: " + strings.Repeat("[", 100000),
		"aliases in aliases":  "version: 1\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nzones: *e\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := document.Parse("p.yaml", []byte(in))
			placed(t, in, err)
		})
	}
}

var place = regexp.MustCompile(`^p\.yaml:([0-9]+):([0-9]+): .`)

// placed wants every error to be one of usage, in a place that the text has.
func placed(t testing.TB, in string, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("it was taken")
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	lines := strings.Count(in, "\n") + strings.Count(in, "\r") + strings.Count(in, "\u0085") + strings.Count(in, "\u2028") + strings.Count(in, "\u2029") + 2
	for _, one := range all {
		at := place.FindStringSubmatch(one.Error())
		if at == nil {
			t.Fatalf("no place: %q", one)
		}
		if line, err := strconv.Atoi(at[1]); err != nil || line < 1 || line > lines {
			t.Errorf("line %d of %d: %q", line, lines, one)
		}
		if e, ok := errors.AsType[*ispctl.Error](one); !ok || e.Kind != ispctl.Usage {
			t.Errorf("no error of usage: %q", one)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		whole, "", "---\n", "version: 2", "version: 1\n---\n", "version: 1\nzones: &z [*z]\n", "version: 1\n<<: *a", "version: 1\nvms: [{name: a, ssh_keys: [x]}]",
		"version: 1\nforwards: [{listen: '1.2.3.4:5', to: 'a:1'}]", "version: !!binary aGk=\n", "? [a]\n: b", "version: 1\nplans: [{name: a, cpus: 1, memory: 1GiB, disk: 9EiB}]",
		"%YAML 1.1\n--- |\n text", "version: 1\naddresses: ['\u2028']", "\xff\xfev\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := document.Parse("p.yaml", in)
		if err != nil {
			placed(t, string(in), err)
			return
		}
		for _, z := range d.Zones {
			if z.Name == "" || !z.Prefix.IsValid() || z.At.Line < 1 || z.At.Column < 1 {
				t.Fatalf("%+v was taken", z)
			}
		}
		for _, vm := range d.VMs {
			if vm.Name == "" || vm.Template == "" || vm.Zone == "" || vm.Plan == "" || vm.At.Line < 1 || vm.PlanAt.Line < 1 {
				t.Fatalf("%+v was taken", vm)
			}
		}
		for _, fw := range d.Forwards {
			if fw.VM == "" || fw.Port == 0 || !fw.Listen.Addr.IsValid() || fw.ToAt.Line < 1 {
				t.Fatalf("%+v was taken", fw)
			}
		}
	})
}

func TestPlace(t *testing.T) {
	d, err := document.Parse("p.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{ispctl.Conflicting("zone", "mail", "is odd"), `p.yaml:11:5: zone "mail": is odd`},
		{ispctl.Conflicting("address", "203.0.113.10", "is odd"), `p.yaml:5:13: address "203.0.113.10": is odd`},
		{ispctl.Conflicting("plan", "small", "is odd"), `p.yaml:14:5: plan "small": is odd`},
		{ispctl.Conflicting("vm", "lab1", "is odd"), `p.yaml:18:5: vm "lab1": is odd`},
		{ispctl.Conflicting("forward", "203.0.113.10:2222/tcp", "is odd"), `p.yaml:20:5: forward "203.0.113.10:2222/tcp": is odd`},
		{ispctl.Conflicting("uplink", "eth0", "is odd"), `p.yaml:2:9: uplink "eth0": is odd`},
		{ispctl.Conflicting("vm", "other", "is odd"), `vm "other": is odd`},
		{ispctl.Conflicting("", "", "is odd"), "is odd"},
	} {
		got := d.Place(tt.err)
		if got.Error() != tt.want || ispctl.KindOf(got) != ispctl.Conflict {
			t.Errorf("want %s, have %v of kind %d", tt.want, got, ispctl.KindOf(got))
		}
	}
	foreign := errors.New("foreign")
	if got := d.Place(foreign); got != foreign {
		t.Errorf("a foreign error became %v", got)
	}
	if got := d.Place(nil); got != nil {
		t.Errorf("no error became %v", got)
	}
}
