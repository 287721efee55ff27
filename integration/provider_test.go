package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl/operations"
)

// document is the whole provider of most tests; %s is a public key.
const document = `version: 1
uplink: {interface: eth0, kind: routed, gateway: 203.0.113.1}
addresses: [203.0.113.10, 203.0.113.11]
zones:
  - {name: dmz, prefix: 10.10.0.0/24, snat: 203.0.113.10}
  - {name: mail, prefix: 10.20.0.0/24}
plans:
  - {name: small, cpus: 1, memory: 512MiB, disk: 4GiB}
  - {name: tiny, cpus: 1, memory: 128MiB, disk: 256MiB}
vms:
  - {name: web1, template: micro, zone: dmz, plan: tiny, ssh_keys: ["%[1]s"]}
  - {name: mail1, template: micro, zone: mail, plan: tiny, ssh_keys: ["%[1]s"]}
forwards:
  - {listen: "203.0.113.10:2222/tcp", to: "web1:22"}
`

// TestProvider is the main job from one end to the other: a document becomes a
// provider with real guests, reached from the Internet and walled from each
// other; VMs come and go by command and leave nothing.
func TestProvider(t *testing.T) {
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	doc := w.write("provider.yaml", fmt.Sprintf(document, w.publicKey()))

	if r := w.run("diff", "-f", doc); r.code != 10 || !strings.Contains(r.out, "+ vm web1 10.10.0.2 in zone dmz") {
		t.Fatalf("diff before: exit %d\n%s%s", r.code, r.out, r.err)
	}
	w.ok("apply", "-f", doc)
	if out := w.ok("apply", "-f", doc); strings.TrimSpace(out) != "no changes" {
		t.Errorf("applied twice: %s", out)
	}
	exported := w.write("exported.yaml", w.ok("export"))
	if r := w.run("diff", "-f", exported); r.code != 0 {
		t.Errorf("what was exported does not apply to no changes:\n%s%s", r.out, r.err)
	}
	w.ok("vm", "start", "web1", "--wait")
	w.ok("vm", "start", "mail1", "--wait")

	t.Run("login through the forward", func(t *testing.T) {
		out, err := w.ssh(w.internet, external, "2222", "hostname")
		if err != nil || out != "web1" {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("walls", func(t *testing.T) {
		if !dials(w.provider, "10.20.0.2:22") {
			t.Fatal("mail1 does not answer the host: silence would prove nothing")
		}
		for _, target := range []string{"10.20.0.2 22", "10.10.0.1 22", "10.20.0.1 22", "203.0.113.2 22"} {
			if out, err := w.ssh(w.internet, external, "2222", "nc -w 3 "+target+" </dev/null && echo connected"); err == nil || strings.Contains(out, "connected") {
				t.Errorf("web1 reached %s: %s", target, out)
			}
		}
	})
	t.Run("admin legs", func(t *testing.T) { adminLegs(t, w) })
	t.Run("what JSON promises", func(t *testing.T) { promises(t, w) })
	t.Run("destroy leaves nothing", func(t *testing.T) { destroyLeavesNothing(t, w) })
	t.Run("drift is mended", func(t *testing.T) { driftIsMended(t, w) })
	t.Run("stop and start", func(t *testing.T) {
		w.ok("vm", "stop", "web1")
		if vm := w.vm("web1"); vm.State != "stopped" {
			t.Errorf("state %s after stop", vm.State)
		}
		if out := w.ok("converge"); strings.TrimSpace(out) != "no changes" {
			t.Errorf("a stopped VM is not at rest: %s", out)
		}
		w.ok("vm", "start", "web1", "--wait")
		if vm := w.vm("web1"); vm.State != "running" {
			t.Errorf("state %s after start", vm.State)
		}
	})
	t.Run("prune", func(t *testing.T) {
		cut, _, _ := strings.Cut(fmt.Sprintf(document, w.publicKey()), "  - {name: mail1")
		cut = strings.Replace(cut, "  - {name: mail, prefix: 10.20.0.0/24}\n", "", 1)
		pruned := w.write("pruned.yaml", cut)
		out := w.ok("apply", "-f", pruned, "--prune")
		for _, want := range []string{"- vm mail1", "- zone mail", "- forward 203.0.113.10:2222/tcp to web1:22"} {
			if !strings.Contains(out, want) {
				t.Errorf("prune does not say %q:\n%s", want, out)
			}
		}
		if links := w.in(w.provider, "ip", "-o", "link"); strings.Contains(links, "isp-mail") {
			t.Errorf("the zone's bridge is still there:\n%s", links)
		}
		if out := w.ok("converge"); strings.TrimSpace(out) != "no changes" {
			t.Errorf("after prune: %s", out)
		}
	})
}

func (w *world) vm(name string) operations.VMView {
	w.t.Helper()
	var v operations.VMView
	w.show(&v, "vm", "show", name)
	return v
}

func promises(t *testing.T, w *world) {
	v := w.vm("web1")
	if v.State != "running" || v.Zone != "dmz" || v.Plan != "tiny" || v.Template != "micro" || v.Hypervisor != "qemu" && v.Hypervisor != "kvm" ||
		!slices.Equal(v.Addresses, []string{"10.10.0.2"}) || len(v.Forwards) != 1 || v.MAC == "" || v.CreatedAt.IsZero() {
		t.Errorf("vm show: %+v", v)
	}
	var phases []string
	for _, p := range v.Phases {
		phases = append(phases, p.Name)
	}
	for _, want := range []string{"reserved", "disk", "network", "boot", "ssh"} {
		if !slices.Contains(phases, want) {
			t.Errorf("phase %s is missing: %v", want, phases)
		}
	}
	var z operations.ZoneView
	w.show(&z, "zone", "show", "dmz")
	want := operations.ZoneView{
		Name: "dmz", Bridge: "isp-dmz", Prefix: "10.10.0.0/24", Gateway: "10.10.0.1", SNAT: external, Egress: true, MTU: 1500, VMs: z.VMs,
		Leg: "10.255.0.0/24", LegGateway: "10.255.0.1", LegBridge: "isp-_dmz",
	}
	if diff := cmp.Diff(want, z); diff != "" || len(z.VMs) != 1 {
		t.Errorf("zone show (-want +got):\n%s", diff)
	}
}

// traces draws everything on the host that a VM could leave behind.
func (w *world) traces() string {
	var b strings.Builder
	for line := range strings.Lines(w.in(w.provider, "ip", "-o", "link")) {
		f := strings.Fields(line)
		b.WriteString(f[1] + "\n")
	}
	b.WriteString(withoutTraffic(w.in(w.provider, "nft", "-s", "list", "ruleset")))
	for _, pid := range w.pids(w.provider) {
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		name, _, _ := strings.Cut(string(cmdline), "\x00")
		_, guest, _ := strings.Cut(string(cmdline), "guest=")
		guest, _, _ = strings.Cut(guest, ",")
		b.WriteString("process " + filepath.Base(name) + " " + guest + "\n")
	}
	err := filepath.WalkDir(w.root, func(path string, _ os.DirEntry, err error) error {
		// The database's own journal files come and go with its connections, and
		// what a VM has used is kept when it is gone. libvirt's log is set aside
		// when it has grown.
		if name := filepath.Base(path); err == nil && !strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, "-shm") && name != "usage.db" && name != "libvirt.log.old" {
			b.WriteString(path + "\n")
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, noun := range []string{"vm", "zone", "address", "forward", "plan"} {
		b.WriteString(w.ok(noun, "list", "-o", "name"))
	}
	return b.String()
}

// withoutTraffic leaves out the elements of dynamic sets, which come and go with
// packets and by time.
func withoutTraffic(ruleset string) string {
	var b strings.Builder
	dynamic, inside := false, false
	for line := range strings.Lines(ruleset) {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(text, "flags dynamic"):
			dynamic = true
		case text == "}":
			dynamic = false
		}
		inside = inside || dynamic && strings.HasPrefix(text, "elements = {")
		if !inside {
			b.WriteString(line)
		}
		if strings.HasSuffix(text, "}") {
			inside = false
		}
	}
	return b.String()
}

func destroyLeavesNothing(t *testing.T, w *world) {
	before := w.traces()
	w.ok("vm", "create", "web2", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub", "--wait")
	w.ok("forward", "add", external+":2223/tcp", "web2:22")
	if out, err := w.ssh(w.internet, external, "2223", "hostname"); err != nil || out != "web2" {
		t.Errorf("%v: %s", err, out)
	}
	if w.traces() == before {
		t.Fatal("a VM leaves no trace at all while it is there: the picture is of nothing")
	}
	w.ok("vm", "destroy", "web2")
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(w.traces(), "\n")); diff != "" {
		t.Errorf("a VM was destroyed and left (-before +after):\n%s", diff)
	}
	w.fails(3, `vm "web2" not found (have: mail1, web1)`, "vm", "destroy", "web2")
	w.ok("vm", "destroy", "web2", "--if-exists")
}

func driftIsMended(t *testing.T, w *world) {
	foreign := "table inet somebody {\n\tchain c {\n\t\ttype filter hook forward priority 10; policy accept;\n\t\tcounter\n\t}\n}\n"
	w.in(w.provider, "nft", "-f", w.write("foreign.nft", foreign))
	w.in(w.provider, "ip", "link", "delete", "isp-dmz")
	w.in(w.provider, "nft", "flush", "chain", "inet", "ispctl-firewall", "forward")
	out := w.ok("converge", "--dry-run")
	for _, want := range []string{"ip link add name isp-dmz", "ip link set dev isp-1-0 master isp-dmz", "table inet ispctl-firewall {"} {
		if !strings.Contains(out, want) {
			t.Errorf("the dry run does not say %q:\n%s", want, out)
		}
	}
	if r := w.run("converge", "--dry-run", "--detailed-exitcode"); r.code != 10 {
		t.Errorf("exit %d with changes pending", r.code)
	}
	w.ok("converge")
	if out := w.ok("converge"); strings.TrimSpace(out) != "no changes" {
		t.Errorf("second pass: %s", out)
	}
	if out, err := w.ssh(w.internet, external, "2222", "hostname"); err != nil || out != "web1" {
		t.Errorf("after the bridge was put back: %v: %s", err, out)
	}
	if got := w.in(w.provider, "nft", "-s", "list", "table", "inet", "somebody"); !strings.Contains(got, "priority filter + 10") {
		t.Errorf("the foreign table was touched:\n%s", got)
	}
}
