package operations_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/operations"
	"ispctl/operations/document"
)

const provider = `version: 1
uplink: {interface: up0, kind: routed, gateway: 203.0.113.1}
host: {services: [22/tcp]}
addresses: [203.0.113.10, 203.0.113.11, 203.0.113.12]
zones:
  - {name: dmz, prefix: 10.10.0.0/24, snat: 203.0.113.10}
  - {name: mail, prefix: 10.20.0.0/24}
  - {name: lab, prefix: 10.30.0.0/24, snat: 203.0.113.12}
plans:
  - {name: small, cpus: 1, memory: 256MiB, disk: 1GiB}
  - {name: large, cpus: 4, memory: 1GiB, disk: 2GiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: small, ssh_keys: ["` + key + `"]}
  - {name: lab1, template: micro, zone: lab, plan: large}
forwards:
  - {listen: "203.0.113.11:2222", to: "web1:22"}
  - {listen: "203.0.113.12:80", to: "lab1:80"}
policies:
  - {from: dmz, to: mail, services: [tcp/25]}
  - {from: lab, to: mail}
`

// without is the document without the lines that hold one of the words.
func without(words ...string) string {
	var b strings.Builder
	for line := range strings.Lines(provider) {
		if !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) }) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// edited is the document with some of its text changed.
func edited(t testing.TB, oldNew ...string) string {
	t.Helper()
	text := provider
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(text, oldNew[i]) {
			t.Fatalf("the document does not say %q", oldNew[i])
		}
		text = strings.ReplaceAll(text, oldNew[i], oldNew[i+1])
	}
	return text
}

func TestApply(t *testing.T) {
	w := newWorld(t)
	before := w.all()
	dry := w.ok(w.apply(provider, false, options{DryRun: true}))
	w.untouched(before)
	want := []string{
		"+ address 203.0.113.12", "+ zone lab 10.30.0.0/24", "+ plan large cpus 4 memory 1GiB disk 2GiB",
		"+ vm web1 10.10.0.2 in zone dmz", "+ vm lab1 10.30.0.2 in zone lab",
		"+ forward 203.0.113.11:2222/tcp to web1:22", "+ forward 203.0.113.12:80/tcp to lab1:80",
		"+ policy dmz -> mail tcp/25 ipv4", "+ policy lab -> mail any ipv4",
	}
	r := w.ok(w.apply(provider, false, options{}))
	if diff := cmp.Diff(want, r.Intent); diff != "" {
		t.Errorf("intent (-want +got):\n%s", diff)
	}
	// Of two VMs, the one whose UUID is the smaller comes first.
	sorted := func(r operations.Result) []string { return slices.Sorted(strings.Lines(commands(r))) }
	if diff := cmp.Diff(sorted(dry), sorted(r)); diff != "" || len(r.Changes) == 0 || !slices.Equal(dry.Intent, r.Intent) {
		t.Errorf("(-dry run +done):\n%s\n%v", diff, dry.Intent)
	}
	w.settled()
	host := w.host()
	for range 2 {
		if r := w.ok(w.apply(provider, true, options{})); r.Changed() || w.host() != host {
			t.Errorf("again: %v\n%s", r.Intent, commands(r))
		}
	}
}

// TestApplyChanges changes one line at a time of a document that was applied.
func TestApplyChanges(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		intent         []string
		host           string
	}{
		{"uplink", "interface: up0", "interface: up1", []string{"~ uplink up1 routed"}, `{ "up1" }`},
		{"host services", "[22/tcp]", "[443/tcp, 22/tcp, 443/tcp]", []string{"~ host services [22/tcp 443/tcp]"}, "tcp . 443"},
		{"prefix of a zone without VMs", "10.20.0.0/24", "10.21.0.0/24", []string{"~ zone mail prefix 10.20.0.0/24 -> 10.21.0.0/24"}, "ip address add 10.21.0.1/24 dev isp-mail"},
		{"snat", "10.10.0.0/24, snat: 203.0.113.10", "10.10.0.0/24, snat: 203.0.113.11", []string{"~ zone dmz snat 203.0.113.10 -> 203.0.113.11"}, "203.0.113.11"},
		{"no snat", "10.10.0.0/24, snat: 203.0.113.10", "10.10.0.0/24", []string{"~ zone dmz snat 203.0.113.10 -> none, egress true -> false"}, "nft delete element"},
		{"VLAN", "10.20.0.0/24", "10.20.0.0/24, vlan: 20", []string{"~ zone mail vlan 0 -> 20"}, ""},
		{"plan", "cpus: 4, memory: 1GiB", "cpus: 2, memory: 2GiB", []string{
			"~ plan large cpus 4 -> 2, memory 1GiB -> 2GiB", "~ vm lab1 has cpus 2 and memory 2GiB from its next start on: ispctl vm restart lab1",
		}, "virsh define --validate isp-lab1.xml"},
		{"disk of a plan", "disk: 2GiB", "disk: 3GiB", []string{"~ plan large disk 2GiB -> 3GiB"}, "resize"},
		{"plan of a VM", "zone: dmz, plan: small", "zone: dmz, plan: large", []string{"~ vm web1 plan small -> large, cpus 1 -> 4, memory 256MiB -> 1GiB, disk 1GiB -> 2GiB", "~ vm web1 has cpus 4 and memory 1GiB from its next start on: ispctl vm restart web1"}, "virsh define --validate isp-web1.xml"},
		{"state of a VM", "zone: dmz, plan: small", "zone: dmz, plan: small, state: stopped", []string{"~ vm web1 state running -> stopped"}, "virsh shutdown isp-web1"},
		{"keys of a VM", key, key + " me", []string{"~ vm web1 ssh_keys (at its next first boot)"}, "genisoimage"},
		{"forward", "web1:22", "web1:80", []string{"~ forward 203.0.113.11:2222/tcp to web1:22 -> web1:80"}, "10.10.0.2 . 80"},
		{"forward to another", "web1:22", "lab1:22", []string{"~ forward 203.0.113.11:2222/tcp to web1:22 -> lab1:22"}, "10.30.0.2 . 22"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.ok(w.apply(provider, false, options{}))
			text := edited(t, tt.old, tt.new)
			r := w.ok(w.apply(text, false, options{}))
			if diff := cmp.Diff(tt.intent, r.Intent); diff != "" {
				t.Errorf("intent (-want +got):\n%s", diff)
			}
			if !strings.Contains(commands(r), tt.host) || tt.host == "" && len(r.Changes) > 0 {
				t.Errorf("want %q in\n%s", tt.host, commands(r))
			}
			w.settled()
			if r := w.ok(w.apply(text, true, options{})); r.Changed() {
				t.Errorf("again: %v\n%s", r.Intent, commands(r))
			}
		})
	}
}

// TestApplySaysLittle keeps what a document does not mention.
func TestApplySaysLittle(t *testing.T) {
	w := newWorld(t)
	w.ok(w.apply(provider, false, options{}))
	w.ok(w.SetVMsWanted(t.Context(), []string{"web1"}, ispctl.Stopped, options{}))
	before := w.all()
	for _, text := range []string{
		"version: 1\n",
		"version: 1\nvms:\n- {name: web1, template: micro, zone: dmz, plan: small}\n", // neither keys, nor state, nor address
	} {
		if r := w.ok(w.apply(text, false, options{DryRun: true})); r.Changed() {
			t.Errorf("%s%v\n%s", text, r.Intent, commands(r))
		}
	}
	w.untouched(before)
}

func TestApplyRefuses(t *testing.T) {
	line := func(word string) int { // in the document, from one
		t.Helper()
		i := slices.IndexFunc(strings.Split(provider, "\n"), func(l string) bool { return strings.Contains(l, word) })
		if i < 0 {
			t.Fatalf("no line with %q", word)
		}
		return i + 1
	}
	web1, lab := line("name: web1"), line("name: lab,")
	for _, tt := range []struct {
		name, old, new string
		kind           ispctl.ErrorKind
		want           string
	}{
		{"zone of a VM", "zone: dmz", "zone: mail", ispctl.Conflict, fmt.Sprintf(`p.yaml:%d:5: vm "web1": zone is dmz and cannot become mail; destroy it and apply again: ispctl vm destroy web1`, web1)},
		{"template of a VM", "template: micro, zone: dmz", "template: debian-12, zone: dmz", ispctl.Conflict, fmt.Sprintf(`p.yaml:%d:5: vm "web1": template is micro and cannot become debian-12`, web1)},
		{"address of a VM", "zone: dmz", "address: 10.10.0.9, zone: dmz", ispctl.Conflict, fmt.Sprintf(`p.yaml:%d:5: vm "web1": address is 10.10.0.2 and cannot become 10.10.0.9`, web1)},
		{"prefix from under a VM", "10.30.0.0/24", "10.31.0.0/24", ispctl.Conflict, `vm "lab1": address 10.30.0.2 is no guest's in 10.31.0.0/24 of zone "lab"`},
		{"zones that overlap", "10.20.0.0/24", "10.10.0.0/16", ispctl.Conflict, fmt.Sprintf(`p.yaml:%d:5: zone "mail": prefix 10.10.0.0/16 overlaps 10.10.0.0/24 of zone "dmz"`, lab-1)},
		{"plan too small for the image", "disk: 2GiB", "disk: 64MiB", ispctl.Conflict, `vm "lab1": plan "large" has a disk of 64MiB; image "micro" needs 128MiB`},
		{"image that is not built", "- {name: lab1, template: micro", "- {name: new, template: debian-12, zone: lab, plan: small}\n  - {name: lab1, template: micro", ispctl.NotFound, fmt.Sprintf(`p.yaml:%d:5: template "debian-12": its image "debian-12" has not been built; run: ispctl image build debian-12`, web1+1)},
		{"address of another VM", "- {name: lab1", "- {name: new, template: micro, zone: dmz, plan: small, address: 10.10.0.2}\n  - {name: lab1", ispctl.Conflict, fmt.Sprintf(`p.yaml:%d:5: address "10.10.0.2": is vm "web1"'s in zone "dmz"`, web1+1)},
		{"gateway as a VM's address", "- {name: lab1", "- {name: new, template: micro, zone: dmz, plan: small, address: 10.10.0.1}\n  - {name: lab1", ispctl.Conflict, fmt.Sprintf(`p.yaml:%d:5: vm "new": address 10.10.0.1 is the gateway of zone "dmz"`, web1+1)},

		// Names that neither the document nor the database has.
		{"snat of nobody", "snat: 203.0.113.12", "snat: 203.0.113.99", ispctl.Usage, fmt.Sprintf(`p.yaml:%d:45: address "203.0.113.99" not found (have: 203.0.113.10, 203.0.113.11, 203.0.113.12)`, lab)},
		{"no such template", "template: micro, zone: dmz", "template: x, zone: dmz", ispctl.Usage, fmt.Sprintf(`p.yaml:%d:28: template "x" not found (have: debian-12, debian-13, micro)`, web1)},
		{"no such zone", "zone: dmz", "zone: x", ispctl.Usage, fmt.Sprintf(`p.yaml:%d:41: zone "x" not found (have: dmz, lab, mail)`, web1)},
		{"no such plan", "zone: dmz, plan: small", "zone: dmz, plan: x", ispctl.Usage, fmt.Sprintf(`p.yaml:%d:52: plan "x" not found (have: large, small)`, web1)},
		{"forward to nobody", "web1:22", "x:22", ispctl.Usage, fmt.Sprintf(`p.yaml:%d:39: vm "x" not found (have: lab1, web1)`, web1+3)},
		{"forward on nobody's address", "203.0.113.11:2222", "203.0.113.99:2222", ispctl.Usage, fmt.Sprintf(`p.yaml:%d:14: address "203.0.113.99" not found`, web1+3)},
		{"policy of no zone", "from: lab", "from: x", ispctl.Usage, fmt.Sprintf(`p.yaml:%d:12: zone "x" not found (have: dmz, lab, mail, host, internet)`, web1+7)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.ok(w.apply(provider, false, options{}))
			before := w.all()
			for _, o := range []options{{DryRun: true}, {}} {
				r, err := w.apply(edited(t, tt.old, tt.new), false, o)
				refused(t, err, tt.kind, tt.want)
				if r.Changed() {
					t.Errorf("it says it did %v\n%s", r.Intent, commands(r))
				}
			}
			w.untouched(before)
		})
	}
}

func TestApplyNamesEveryDanglingName(t *testing.T) {
	w := newWorld(t)
	_, err := w.apply("version: 1\nvms:\n- {name: a, template: x, zone: y, plan: z}\nforwards:\n- {listen: \"203.0.113.99:1\", to: \"ghost:1\"}\n", false, options{})
	refused(t, err, ispctl.Usage, `p.yaml:3:23: template "x"`, `p.yaml:3:32: zone "y"`, `p.yaml:3:41: plan "z"`, `p.yaml:5:12: address "203.0.113.99"`, `p.yaml:5:34: vm "ghost"`)
}

// TestApplyGivesAddresses first to those who ask for one.
func TestApplyGivesAddresses(t *testing.T) {
	w := newWorld(t)
	w.ok(w.apply(`version: 1
vms:
  - {name: any, template: micro, zone: dmz, plan: small}
  - {name: third, template: micro, zone: dmz, plan: small, address: 10.10.0.3}
  - {name: other, template: micro, zone: dmz, plan: small}
  - {name: first, template: micro, zone: dmz, plan: small, address: 10.10.0.2}
`, false, options{}))
	var got []string
	for _, vm := range w.model().VMs {
		got = append(got, fmt.Sprintf("%s %s", vm.Name, vm.NICs[0].Addr))
	}
	if diff := cmp.Diff([]string{"any 10.10.0.4", "first 10.10.0.2", "other 10.10.0.5", "third 10.10.0.3"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestApplyPrunes a VM with all that leads to it, its zone, plan and address,
// in one go.
func TestApplyPrunes(t *testing.T) {
	w := newWorld(t)
	w.create("hand") // nothing that was made by hand is pruned
	w.forward("203.0.113.11:2200/tcp", "hand:22")
	bare := w.host()
	intent := w.model()
	w.ok(w.apply(provider, false, options{}))

	text := without("lab", "203.0.113.12:80", "large") // the addresses are a line
	text = strings.Replace(text, ", 203.0.113.12]", "]", 1)
	if r := w.ok(w.apply(text, false, options{})); r.Changed() {
		t.Errorf("without --prune: %v", r.Intent)
	}
	before := w.all()
	dry := w.ok(w.apply(text, true, options{DryRun: true}))
	w.untouched(before)
	r := w.ok(w.apply(text, true, options{}))
	want := []string{
		"- forward 203.0.113.12:80/tcp to lab1:80", "- vm lab1", "- plan large", "- policy lab -> mail any ipv4", "- zone lab", "- address 203.0.113.12",
	}
	if diff := cmp.Diff(want, r.Intent); diff != "" {
		t.Errorf("intent (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(commands(dry), commands(r)); diff != "" {
		t.Errorf("(-dry run +done):\n%s", diff)
	}
	for _, want := range []string{"virsh destroy isp-lab1", "ip link delete dev isp-lab", "ip route delete local 203.0.113.12", "rm -r "} {
		if !strings.Contains(commands(r), want) {
			t.Errorf("no %q in\n%s", want, commands(r))
		}
	}
	w.settled()

	w.ok(w.apply("version: 1\n", true, options{}))
	if diff := cmp.Diff(strings.Split(bare, "\n"), strings.Split(w.host(), "\n")); diff != "" {
		t.Errorf("all is pruned, and this is left (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(fmt.Sprintf("%+v", *intent), fmt.Sprintf("%+v", *w.model())); diff != "" {
		t.Errorf("intent (-before +after):\n%s", diff)
	}
	w.settled()
}

func TestApplyPruneRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		hand func(w *world) // what was made by hand
		text string
		kind ispctl.ErrorKind
		want string
	}{
		{"zone that another's VM is in", func(w *world) {
			s := spec("hand")
			s.Zone = "lab"
			w.ok(w.CreateVM(t.Context(), s, false, options{}))
		}, without("name: lab", "lab1", "from: lab"), ispctl.Conflict, `zone "lab": is in use by vm hand`},
		{"plan that another's VM is on", func(w *world) {
			s := spec("hand")
			s.Plan = "large"
			w.ok(w.CreateVM(t.Context(), s, false, options{}))
		}, without("name: large", "lab1"), ispctl.Conflict, `plan "large": is in use by vm hand`},
		{"address that another's zone goes out with", func(w *world) {
			z := mail
			z.Name, z.Prefix, z.Egress, z.SNAT = "hand", netip.MustParsePrefix("10.40.0.0/24"), true, addr("203.0.113.12")
			w.ok(w.CreateZone(t.Context(), z, false, options{}))
		}, without("lab", "203.0.113.12"), ispctl.Conflict, `address "203.0.113.12": is in use by zone hand`},
		{"address that another's forward is on", func(w *world) {
			w.create("hand")
			w.forward("203.0.113.12:81/tcp", "hand:80")
		}, without("lab", "203.0.113.12"), ispctl.Conflict, `address "203.0.113.12": is in use by forward 203.0.113.12:81/tcp`},
		{"zone that the document's own VM is in", func(*world) {}, without("name: lab,", "from: lab"), ispctl.Conflict, `zone "lab": is in use by vm lab1`},
		{"VM that the document's own forward leads to", func(*world) {}, without("name: web1"), ispctl.Usage, `vm "web1" not found (have: lab1)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.ok(w.apply(provider, false, options{}))
			tt.hand(w)
			before := w.all()
			_, err := w.apply(tt.text, true, options{})
			refused(t, err, tt.kind, tt.want)
			w.untouched(before)
		})
	}
}

// TestExportAppliesToNoChanges, with or without prune, and to the same on
// another host.
func TestExportAppliesToNoChanges(t *testing.T) {
	w := newWorld(t)
	w.ok(w.apply(provider, false, options{}))
	w.create("hand")
	w.ok(w.SetVMsWanted(t.Context(), []string{"web1"}, ispctl.Stopped, options{}))
	ofItsOwn(w, "hand")
	text, err := w.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := w.all()
	for _, prune := range []bool{false, true} {
		if r := w.ok(w.apply(string(text), prune, options{DryRun: true})); r.Changed() {
			t.Errorf("prune %v: %v\n%s", prune, r.Intent, commands(r))
		}
	}
	w.untouched(before)

	other := newWorld(t)
	other.ok(other.apply(string(text), false, options{}))
	again, err := other.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(string(again), "\n")); diff != "" {
		t.Errorf("(-exported +exported from the other host):\n%s", diff)
	}
}

// TestApplyWhileDestroying does not bring back what is on its way out.
func TestApplyWhileDestroying(t *testing.T) {
	w := newWorld(t)
	w.ok(w.apply(provider, false, options{}))
	w.deafen("domains")
	if _, err := w.DestroyVMs(t.Context(), []string{"web1"}, false, options{}); err == nil {
		t.Fatal("a deaf layer was no error")
	}
	w.hear()
	_, err := w.apply(provider, false, options{})
	refused(t, err, ispctl.Conflict, `vm "web1": is being destroyed; finish it: ispctl converge`)
}

// TestEmptyDocument changes nothing: nothing of it was made by apply.
func TestEmptyDocument(t *testing.T) {
	w := newWorld(t)
	before := w.host()
	r := w.ok(w.Apply(t.Context(), &document.Document{File: "p.yaml"}, true, operations.Options{}))
	if r.Changed() || w.host() != before {
		t.Errorf("%v\n%s", r.Intent, commands(r))
	}
}
