package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl/internal/testkit"
)

// TestBadInput gives ispctl what it must refuse: each with the object, the
// cause and the right exit code, and nothing half-made.
func TestBadInput(t *testing.T) {
	w := newWorld(t, "test:///default")
	w.ok("address", "add", external)
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24", "--snat", external)
	w.ok("plan", "create", "tiny", "--memory", "128MiB", "--disk", "256MiB")
	bad := w.write("bad.yaml", "version: 1\nzones:\n  - {name: web, prefix: 10.10.0.0/25, colour: red}\n  - {name: Mail, prefix: nonsense}\n")
	dangling := w.write("dangling.yaml", "version: 1\nforwards:\n  - {listen: \"203.0.113.10:80/tcp\", to: \"ghost:80\"}\n")
	options := w.write("options.pub", "command=\"rm -rf /\" ssh-ed25519 AAAA\n")
	before := w.traces()
	for name, c := range map[string]struct {
		code int
		say  string
		args []string
	}{
		"prefix overlaps another": {5, `zone "b": prefix 10.10.0.128/25 overlaps 10.10.0.0/24 of zone "dmz"`, []string{"zone", "create", "b", "--prefix", "10.10.0.128/25"}},
		"prefix overlaps uplink":  {5, `overlaps 203.0.113.0/24 of uplink eth0`, []string{"zone", "create", "b", "--prefix", "203.0.113.128/25"}},
		"host bits":               {2, `did you mean 10.30.0.0/24?`, []string{"zone", "create", "b", "--prefix", "10.30.0.9/24"}},
		"no DNS label":            {2, `zone "Web_1"`, []string{"zone", "create", "Web_1", "--prefix", "10.30.0.0/24"}},
		"quotes in a name":        {2, `zone "a\"; drop"`, []string{"zone", "create", `a"; drop`, "--prefix", "10.30.0.0/24"}},
		"interface name":          {2, `its bridge isp-a-long-zone-name would have 20 bytes; the kernel takes 15`, []string{"zone", "create", "a-long-zone-name", "--prefix", "10.30.0.0/24"}},
		"address taken":           {5, `address "203.0.113.10": is there already`, []string{"address", "add", external}},
		"address is the gateway":  {5, `is the uplink's gateway`, []string{"address", "add", gateway}},
		"unknown template":        {3, `template "debian-99" not found (have: debian-12, debian-13, micro)`, []string{"vm", "create", "a", "--template", "debian-99", "--zone", "dmz", "--plan", "tiny"}},
		"unknown zone":            {3, `zone "nope" not found (have: dmz); see: ispctl zone list`, []string{"vm", "create", "a", "--template", "micro", "--zone", "nope", "--plan", "tiny"}},
		"unknown plan":            {3, `plan "huge" not found (have: tiny)`, []string{"vm", "create", "a", "--template", "micro", "--zone", "dmz", "--plan", "huge"}},
		"image not built":         {3, `run: ispctl image build micro`, []string{"vm", "create", "a", "--template", "micro", "--zone", "dmz", "--plan", "tiny"}},
		"key with options":        {2, `options.pub:1`, []string{"vm", "create", "a", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", options}},
		"no such key file":        {2, `no such file`, []string{"vm", "create", "a", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", "/nonexistent"}},
		"unknown verb":            {2, `vm explode: no such verb`, []string{"vm", "explode"}},
		"unknown flag":            {2, `unknown flag`, []string{"vm", "list", "--colour"}},
		"unknown command":         {2, `ispctl explode: no such command`, []string{"explode"}},
		"misspelt command":        {2, `did you mean: zone`, []string{"zon", "list"}},
		"missing argument":        {2, `wants the name of a zone`, []string{"zone", "show"}},
		"missing flag":            {2, `--prefix is missing`, []string{"zone", "create", "b"}},
		"unknown format":          {2, `output format "xml"`, []string{"zone", "list", "-o", "xml"}},
		"zone of a VM unknown":    {3, `vm "ghost" not found`, []string{"forward", "add", external + ":80/tcp", "ghost:80"}},
		"port out of range":       {2, `forward "203.0.113.10:99999"`, []string{"forward", "add", external + ":99999", "a:80"}},
		"address in use":          {5, `is in use by zone dmz`, []string{"address", "remove", external}},
		"document with faults":    {2, `bad.yaml:3:39: unknown key "colour"`, []string{"apply", "-f", bad}},
		"every fault is named":    {2, `bad.yaml:4:12`, []string{"apply", "-f", bad}},
		"dangling name":           {2, `dangling.yaml:3:41: vm "ghost" not found`, []string{"apply", "-f", dangling}},
		"no such document":        {2, `no such file`, []string{"apply", "-f", "/nonexistent.yaml"}},
		"uplink not there":        {3, `no such interface here`, []string{"init", "--netns", w.provider, "--hypervisor", "test:///default", "--uplink", "eth7"}},
		"namespace not there":     {3, `network namespace "nope"`, []string{"init", "--netns", "nope", "--hypervisor", "test:///default"}},
	} {
		t.Run(name, func(t *testing.T) {
			sub := *w
			sub.t = t
			sub.fails(c.code, c.say, c.args...)
		})
	}
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(w.traces(), "\n")); diff != "" {
		t.Errorf("refused commands left something (-before +after):\n%s", diff)
	}
}

// TestNewerDatabase opens a database of an ispctl to come.
func TestNewerDatabase(t *testing.T) {
	w := newWorld(t, "test:///default")
	db := filepath.Join(w.root, "var/lib/ispctl/ispctl.db")
	testkit.Sh(t, "sqlite3", db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	w.fails(1, "use the newer ispctl that wrote it", "zone", "list")
}

// TestFullDisk creates a VM where there is no room for its disk. The VM stays,
// marked, and comes up when there is room.
func TestFullDisk(t *testing.T) {
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "tiny", "--memory", "128MiB", "--disk", "256MiB")
	guests := filepath.Join(w.root, "var/lib/libvirt/images/ispctl/vms")
	if err := os.MkdirAll(guests, 0o755); err != nil {
		t.Fatal(err)
	}
	testkit.Sh(t, "mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", guests)
	mounted := true
	defer func() {
		if mounted {
			testkit.Sh(t, "umount", "-l", guests)
		}
	}()
	create := []string{"vm", "create", "a", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key + ".pub"}
	w.fails(5, "guests are given 256MiB together; it has 32KiB", create...)
	w.ok("qos", "host", "--disk-overcommit", "none") // whoever promises more than there is may run out of it
	w.fails(1, "no space left on device", create...)
	if vm := w.vm("a"); vm.State != "error" || !strings.Contains(vm.Error, "no space left on device") {
		t.Errorf("state %s, error %q", vm.State, vm.Error)
	}
	testkit.Sh(t, "umount", guests)
	mounted = false
	w.ok("converge")
	if vm := w.vm("a"); vm.State != "running" {
		t.Errorf("state %s %s after there was room", vm.State, vm.Error)
	}
	w.ok("vm", "destroy", "a")
}
