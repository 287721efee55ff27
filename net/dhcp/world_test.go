package dhcp_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/net/bridge"
	"ispctl/net/dhcp"
)

var inst = ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}

// models are the sample models, and two that differ in nothing but their guests.
func models(paths ispctl.Paths) []*ispctl.Model {
	all := convergetest.Models(inst, paths)
	more := *all[2]
	more.VMs = append(slices.Clone(more.VMs),
		convergetest.Guest(inst, 4, "web2", "dmz", "10.10.0.4"), convergetest.Guest(inst, 5, "mail2", "mail", "10.20.0.5"))
	more.Sort()
	fewer := *all[2]
	fewer.VMs = nil
	return slices.Insert(all, moreGuests, &more, &fewer) // where the names below have them, however many samples there are
}

// Models of models, by what they are; others follow.
const (
	empty = iota
	zonesOnly
	guests
	changed
	moreGuests
	noGuests
)

// world is a network namespace with a root of its own. All that runs from
// there is ended after the test.
type world struct {
	t     testing.TB
	paths ispctl.Paths
	*dhcp.Kernel
}

// dnsmasq is the program itself.
var dnsmasq = testkit.Feature{Name: "dnsmasq", Probe: func() error { return exec.Command("dnsmasq", "--version").Run() }}

func newWorld(t testing.TB) world {
	t.Helper()
	testkit.Need(t, dnsmasq)
	testkit.NetNS(t)
	// The uplink of the models, for what is made on it.
	testkit.Sh(t, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
	testkit.Sh(t, "ip", "link", "set", "up0", "up")
	// Not t.TempDir: nobody but its owner could pass through it.
	root, err := os.MkdirTemp("", "isp")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	w := world{t: t, paths: ispctl.Paths{Root: root}}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	w.Kernel = w.open()
	t.Cleanup(func() {
		if err := w.apply(w.model(empty)); err != nil {
			t.Error(err)
		}
		if left := w.pids(""); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
	return w
}

func (w world) open() *dhcp.Kernel {
	w.t.Helper()
	k, err := dhcp.Open(inst, w.paths)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(k.Close)
	return k
}

func (w world) model(i int) *ispctl.Model { return models(w.paths)[i] }

// links brings the bridges to the model, as the layer before this one does.
func (w world) links(m *ispctl.Model) {
	w.t.Helper()
	k, err := bridge.Open(inst.LinkGroup())
	if err != nil {
		w.t.Fatal(err)
	}
	defer k.Close()
	want, err := bridge.Desired(m)
	if err != nil {
		w.t.Fatal(err)
	}
	have, err := k.Observe(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := k.Apply(context.Background(), bridge.Diff(want, have)); err != nil {
		w.t.Fatal(err)
	}
}

// pending is what a pass would do.
func (w world) pending(m *ispctl.Model) []dhcp.Change {
	w.t.Helper()
	want, err := dhcp.Desired(m)
	if err != nil {
		w.t.Fatal(err)
	}
	have, err := w.Observe(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return dhcp.Diff(want, have)
}

// apply is a pass of this layer.
func (w world) apply(m *ispctl.Model) error {
	w.t.Helper()
	return w.Apply(context.Background(), w.pending(m))
}

// converge is a pass of both layers, and proof that nothing is left to do.
func (w world) converge(m *ispctl.Model) []dhcp.Change {
	w.t.Helper()
	w.links(m)
	changes := w.pending(m)
	if err := w.Apply(context.Background(), changes); err != nil {
		w.t.Fatal(err)
	}
	if rest := w.pending(m); len(rest) > 0 {
		w.t.Fatalf("after a whole pass: %v", rest)
	}
	return changes
}

// acts are the acts of changes, with their zones.
func acts(changes []dhcp.Change) string {
	var all []string
	for _, c := range changes {
		name := map[dhcp.Act]string{dhcp.Start: "start", dhcp.Restart: "restart", dhcp.Reload: "reload", dhcp.Stop: "stop"}[c.Act]
		all = append(all, name+" "+string(c.Server.Zone))
	}
	return strings.Join(all, ", ")
}

// pids are the processes of a zone, by pgrep(1), which knows nothing of our
// types; of all zones where it is empty.
func (w world) pids(zone string) []int {
	w.t.Helper()
	out, _ := exec.Command("pgrep", "-f", "^dnsmasq --conf-file="+dhcp.Dir(w.paths)+"/"+zone).Output() // fails where there is none
	var all []int
	for _, word := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, pid)
	}
	return all
}

// pid is that of the one process that serves a zone.
func (w world) pid(zone string) int {
	w.t.Helper()
	all := w.pids(zone + "/")
	if len(all) != 1 {
		w.t.Fatalf("zone %s: processes %v, want one", zone, all)
	}
	return all[0]
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func text(pid int) string { return fmt.Sprint(pid) }
