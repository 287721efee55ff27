package ispctl_test

import (
	"strings"
	"testing"

	"ispctl"
)

func TestParseDSCP(t *testing.T) {
	for text, want := range map[string]byte{"clear": 0, "cs1": 8, "le": 1, "af41": 34, "ef": 46, "cs7": 56} {
		d, err := ispctl.ParseDSCP(text)
		if mark, marks := d.Mark(); err != nil || !marks || mark != want || d.String() != text {
			t.Errorf("%s: have %d, which is printed %q, %v", text, mark, d, err)
		}
	}
	if d, err := ispctl.ParseDSCP("trust"); err != nil || d != ispctl.TrustDSCP || d.String() != "trust" {
		t.Errorf("trust: have %q, %v", d, err)
	}
	for _, text := range []string{"", "46", "EF", "af44", "trust ", "cs8"} {
		if d, err := ispctl.ParseDSCP(text); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%q: want an error of usage, have %d, %v", text, d, err)
		}
	}
}

// TestFlowsRefuse: what a flow limit cannot be.
func TestFlowsRefuse(t *testing.T) {
	tcp := ispctl.Opening{Transport: ispctl.TransportTCP, Port: 80}
	for want, f := range map[string]ispctl.Flow{
		"neither has a rate nor a priority": {Match: tcp},
		"each connection needs a rate":      {Match: tcp, Each: true, Urgency: ispctl.Bulk},
		"only tcp and udp have connections": {Match: ispctl.Opening{Transport: ispctl.ICMP}, Each: true, Rate: ispctl.Mbit},
		"is none of [interactive":           {Match: tcp, Urgency: "high"},
		"1kbit is not 64kbit to 32gbit":     {Match: tcp, Rate: ispctl.Kbit},
	} {
		f.VM = "web1"
		if err := f.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}

// TestPriorityNeedsACeiling: nothing waits where there is none.
func TestPriorityNeedsACeiling(t *testing.T) {
	m := &ispctl.Model{
		Installation: ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"},
		Plans:        []ispctl.Plan{{Name: "small", CPUs: 1, Memory: ispctl.GiB, Disk: ispctl.GiB}},
		Images:       []ispctl.Image{{Name: "micro", Digest: "d", Size: ispctl.MiB}},
		VMs:          []ispctl.VM{{Name: "web1", Plan: "small", Image: "d", Wanted: ispctl.Running}},
		Flows:        []ispctl.Flow{{VM: "web1", Match: ispctl.Opening{Transport: ispctl.TransportTCP, Port: 80}, Urgency: ispctl.Bulk}},
	}
	if err := m.Validate(); err == nil || !strings.Contains(err.Error(), "without a ceiling") {
		t.Errorf("want an error that says so, have %v", err)
	}
	m.VMs[0].Limits.Up = ispctl.Mbit
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
}
