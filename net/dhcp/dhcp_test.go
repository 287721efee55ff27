package dhcp_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ispctl"
	"ispctl/converge"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/net/dhcp"
)

func TestLawsOnFake(t *testing.T) {
	fake := dhcp.NewFake()
	convergetest.Laws(t, convergetest.Suite[dhcp.State, dhcp.Change]{
		Models: models(ispctl.Paths{}), Desired: dhcp.Desired, Diff: dhcp.Diff, Target: fake, Foreign: fake.DrawForeign, Passes: 400,
	})
}

func TestLawsOnKernel(t *testing.T) {
	w := newWorld(t)
	// A server and a directory that look like ours in everything but the mark.
	other := filepath.Join(dhcp.Dir(w.paths), "other")
	if err := os.MkdirAll(other, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(other, "0123456789abcdef.conf")
	if err := os.WriteFile(conf, []byte("port=5353\npid-file=\nkeep-in-foreground\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := exec.Command("dnsmasq", "--conf-file="+conf, "--addn-hosts="+other+"/hosts", "--dhcp-hostsfile="+other+"/dhcp-hosts")
	foreign.Args[0] = "dnsmasq"
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := foreign.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = foreign.Wait() // it was killed
	}()
	convergetest.Laws(t, convergetest.Suite[dhcp.State, dhcp.Change]{
		Models: models(w.paths), Diff: dhcp.Diff, Target: w,
		Desired: func(m *ispctl.Model) (dhcp.State, error) {
			w.links(m)
			return dhcp.Desired(m)
		},
		Foreign: func() string {
			return testkit.Sh(t, "ls", "-lR", other) + testkit.Sh(t, "ps", "-o", "pid,stat,lstart,args", text(foreign.Process.Pid))
		},
	})
}

// TestFakeFails half-way, and the next pass mends it.
func TestFakeFails(t *testing.T) {
	fake := dhcp.NewFake()
	m := models(ispctl.Paths{})[guests]
	want, err := dhcp.Desired(m)
	if err != nil {
		t.Fatal(err)
	}
	pass := func() ([]dhcp.Change, error) {
		have, _ := fake.Observe(context.Background())
		changes := dhcp.Diff(want, have)
		return changes, fake.Apply(context.Background(), changes)
	}
	fake.FailAfter = 1
	if _, err := pass(); !errors.Is(err, dhcp.ErrInjected) || len(converge.Faults(err)) != 1 || converge.Faults(err)[0].Object != "zone mail" {
		t.Errorf("want the injected fault of zone mail, have %v", err)
	}
	fake.FailAfter = 0
	if changes, err := pass(); err != nil || acts(changes) != "start mail" {
		t.Errorf("after it: %s, %v", acts(changes), err)
	}
	fake.Kill("dmz")
	if changes, err := pass(); err != nil || acts(changes) != "start dmz" {
		t.Errorf("after a kill: %s, %v", acts(changes), err)
	}
	fake.Kill("mail")
	fake.Taken[want["mail"].Sockets[0]] = "named"
	if _, err := pass(); ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), "10.20.0.1:53") || !strings.Contains(err.Error(), "named") {
		t.Errorf("a port that is taken: %v", err)
	}
}

func TestChangesAsText(t *testing.T) {
	var b strings.Builder
	have := dhcp.State{}
	for _, m := range models(ispctl.Paths{}) {
		want, err := dhcp.Desired(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range dhcp.Diff(want, have) {
			b.WriteString(c.String() + "\n")
		}
		b.WriteString("\n")
		have = want
	}
	testkit.Golden(t, "changes.txt", b.String())
}
