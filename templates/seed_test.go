package templates

import (
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"ispctl"
	"ispctl/internal/testkit"
)

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

func input() SeedInput {
	return SeedInput{
		InstanceID: "6f9d1c1e-7f4e-4a52-9f1f-0d8f3f1f2a3b",
		Hostname:   "web1",
		Zone:       "dmz",
		Keys:       []string{key + " alice@example.net", key + " it's: \"quoted\" #1"},
		NICs: []NICInput{
			{
				MAC:  "52:54:00:12:34:56",
				Nets: []NetInput{{Addr: netip.MustParsePrefix("10.10.0.2/24"), Gateway: netip.MustParseAddr("10.10.0.1")}},
				DNS:  []netip.Addr{netip.MustParseAddr("10.10.0.1")},
			},
			{MAC: "52:54:00:12:34:57", Nets: []NetInput{{Addr: netip.MustParsePrefix("10.255.1.2/24")}}},
		},
	}
}

func root(t testing.TB) Template {
	t.Helper()
	s, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := s.Get("debian-12")
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func TestSeed(t *testing.T) {
	no := input()
	no.Hostname, no.Keys, no.NICs = "no", nil, nil // a host name that YAML 1.1 takes for false
	six := input()
	six.NICs = []NICInput{{
		MAC: "52-54-00-AB-CD-EF", Nets: []NetInput{
			{Addr: netip.MustParsePrefix("10.10.0.2/24"), Gateway: netip.MustParseAddr("10.10.0.1")},
			{Addr: netip.MustParsePrefix("2001:db8::2/64"), Gateway: netip.MustParseAddr("2001:db8::1")},
			{Addr: netip.MustParsePrefix("198.51.100.7/32"), Gateway: netip.MustParseAddr("10.10.0.1")},
		},
		DNS: []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")},
	}}
	other := root(t)
	other.Login = "debian"
	for _, tt := range []struct {
		name string
		tpl  Template
		in   SeedInput
	}{
		{"two-nics", root(t), input()}, {"bare", root(t), no}, {"ipv6-sudo", other, six}, {"recipe", recipe(t), input()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files, err := Seed(tt.tpl, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, name := range slices.Sorted(maps.Keys(files)) {
				b.WriteString("==> " + name + "\n" + string(files[name]))
			}
			testkit.Golden(t, tt.name+".txt", b.String())
			again, err := Seed(tt.tpl, tt.in)
			if err != nil || !cmp.Equal(files, again) {
				t.Errorf("the same input gave other files (%v)", err)
			}
		})
	}
}

// recipe has one of all that a template can have.
func recipe(t testing.TB) Template {
	t.Helper()
	tpl := Template{
		Name: "t", Image: "i", Login: "debian", Console: ConsoleNone, Packages: []string{"nginx"},
		Users: []User{{Name: "alice", Keys: []string{key}, Groups: []string{"adm"}, Sudo: true}},
		Files: []File{{Path: "/etc/motd", Content: "hello\n"}, {Path: "/home/alice/x", Mode: "600", Owner: "alice:alice", Content: "\x00"}},
		Steps: []Step{{Run: []string{"nginx", "-s", "reload; reboot"}}, {Script: "#!/bin/sh\nid\n"}},
	}
	if err := tpl.complete(); err != nil {
		t.Fatal(err)
	}
	return tpl
}

// pyYAML is the library that reads a seed inside the guest.
var pyYAML = testkit.Feature{Name: "python3-yaml", Probe: func() error {
	return exec.Command("python3", "-c", "import yaml").Run()
}}

// TestSeedAsCloudInitReadsIt loads the YAML as cloud-init does, by YAML 1.1.
func TestSeedAsCloudInitReadsIt(t *testing.T) {
	testkit.Need(t, pyYAML)
	in := input()
	in.Hostname = "no"
	files, err := Seed(root(t), in)
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	type list = []any
	for name, want := range map[string]any{
		"meta-data": object{"instance-id": in.InstanceID, "local-hostname": "no"},
		"user-data": object{
			"hostname": "no", "fqdn": "no.dmz.internal", "manage_etc_hosts": "localhost",
			"disable_root": false, "ssh_pwauth": false,
			"users": list{object{"name": "root", "lock_passwd": true, "ssh_authorized_keys": list{in.Keys[0], in.Keys[1]}}},
		},
		"network-config": object{"version": 2.0, "ethernets": object{
			"eth0": object{
				"match": object{"macaddress": "52:54:00:12:34:56"}, "set-name": "eth0",
				"addresses": list{"10.10.0.2/24"}, "routes": list{object{"to": "0.0.0.0/0", "via": "10.10.0.1"}},
				"nameservers": object{"addresses": list{"10.10.0.1"}, "search": list{"dmz.internal"}},
			},
			"eth1": object{
				"match": object{"macaddress": "52:54:00:12:34:57"}, "set-name": "eth1",
				"addresses": list{"10.255.1.2/24"},
			},
		}},
	} {
		load := exec.Command("python3", "-c", "import json,sys,yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)")
		load.Stdin = strings.NewReader(string(files[name]))
		out, err := load.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got any
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSeedRefuses(t *testing.T) {
	for name, change := range map[string]func(*SeedInput){
		"a line in a host name":   func(in *SeedInput) { in.Hostname = "web1\nruncmd" },
		"a dot in a host name":    func(in *SeedInput) { in.Hostname = "web1.example" },
		"no host name":            func(in *SeedInput) { in.Hostname = "" },
		"a colon in a zone":       func(in *SeedInput) { in.Zone = "a: b" },
		"a path for an instance":  func(in *SeedInput) { in.InstanceID = "../x" },
		"a line in an instance":   func(in *SeedInput) { in.InstanceID = "x\ny" },
		"two keys in one":         func(in *SeedInput) { in.Keys[0] += "\n" + key },
		"a newline after a key":   func(in *SeedInput) { in.Keys[0] += "\n" },
		"a carriage return":       func(in *SeedInput) { in.Keys[0] += "\r" + key },
		"an option before a key":  func(in *SeedInput) { in.Keys[0] = `command="x" ` + key },
		"no key":                  func(in *SeedInput) { in.Keys[0] = "" },
		"no MAC":                  func(in *SeedInput) { in.NICs[0].MAC = "" },
		"a MAC of eight bytes":    func(in *SeedInput) { in.NICs[0].MAC = "00:11:22:33:44:55:66:77" },
		"no address":              func(in *SeedInput) { in.NICs[0].Nets[0].Addr = netip.Prefix{} },
		"a gateway of the other":  func(in *SeedInput) { in.NICs[0].Nets[0].Gateway = netip.MustParseAddr("2001:db8::1") },
		"a gateway with a scope":  func(in *SeedInput) { in.NICs[0].Nets[0].Gateway = netip.MustParseAddr("fe80::1%eth0") },
		"a resolver with a scope": func(in *SeedInput) { in.NICs[0].DNS[0] = netip.MustParseAddr("fe80::1%a\nb") },
		"an empty resolver":       func(in *SeedInput) { in.NICs[0].DNS[0] = netip.Addr{} },
	} {
		in := input()
		change(&in)
		if files, err := Seed(root(t), in); ispctl.KindOf(err) != ispctl.Usage || files != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzSeed proves that nothing breaks out of its place: whatever is taken comes
// back, by a parser, as the one value it was.
func FuzzSeed(f *testing.F) {
	f.Add("web1", "dmz", "i-1", " alice", "52:54:00:12:34:56")
	f.Add("no", "null", "123", " '\"]}#: |>-\\", "52-54-00-12-34-56")
	f.Add("a\nb", "c: d", "e/f", "\nruncmd: [x]", "00:00:00:00:00:60")
	f.Fuzz(func(t *testing.T, hostname, zone, instance, comment, mac string) {
		in := input()
		in.Hostname, in.Zone, in.InstanceID, in.NICs[0].MAC = hostname, zone, instance, mac
		in.Keys = []string{key + comment}
		files, err := Seed(Template{Name: "t", Image: "i", Login: "root"}, in)
		if err != nil {
			if e, ok := errors.AsType[*ispctl.Error](err); !ok || e.Kind != ispctl.Usage {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		want, err := in.clean()
		if err != nil {
			t.Fatal(err)
		}
		var meta, user, network map[string]any
		for name, into := range map[string]*map[string]any{"meta-data": &meta, "user-data": &user, "network-config": &network} {
			if err := yaml.Load(files[name], into); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, files[name])
			}
		}
		if len(meta) != 2 || meta["instance-id"] != instance || meta["local-hostname"] != hostname {
			t.Errorf("meta-data: %v", meta)
		}
		if len(user) != 6 || user["hostname"] != hostname || user["fqdn"] != hostname+"."+zone+".internal" {
			t.Errorf("user-data: %v", user)
		}
		wantUser := []any{map[string]any{"name": "root", "lock_passwd": true, "ssh_authorized_keys": []any{want.Keys[0]}}}
		if diff := cmp.Diff(any(wantUser), user["users"]); diff != "" {
			t.Errorf("users: %s", diff)
		}
		if len(network) != 2 || len(network["ethernets"].(map[string]any)) != 2 {
			t.Errorf("network-config: %v", network)
		}
		for name, count := range map[string]int{
			"instance": 1, "hostname": 1, "domain": 1, "authorized_keys": 1, "network": 2, "resolvers": 1,
		} {
			if text := string(files["ispctl/"+name]); strings.Count(text, "\n") != count || strings.ContainsAny(text, "\r\x00") {
				t.Errorf("ispctl/%s has not %d lines: %q", name, count, text)
			}
		}
		if got := string(files["ispctl/authorized_keys"]); got != want.Keys[0]+"\n" {
			t.Errorf("authorized_keys: %q", got)
		}
	})
}
