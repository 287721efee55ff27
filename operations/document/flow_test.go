package document_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/operations/document"
)

// TestFlowsAreRead holds flow limits and totals to come out of their text as they went in.
func TestFlowsAreRead(t *testing.T) {
	port := func(s string) ispctl.Opening {
		o, err := ispctl.ParseOpening(s)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	flows := []ispctl.Flow{
		{VM: "web1", Match: port("tcp/80"), Rate: 5 * ispctl.Mbit},
		{VM: "web1", Match: port("tcp/443"), Remote: netip.MustParsePrefix("2001:db8::/32"), Rate: ispctl.Mbit, Each: true, Urgency: ispctl.Bulk},
		{VM: "web1", Match: port("udp/5060"), Urgency: ispctl.Interactive},
	}
	limits := ispctl.Limits{Down: ispctl.Gbit, DSCP: ispctl.TrustDSCP}
	totals := []ispctl.Total{
		{Kind: ispctl.TenantTotal, Name: "acme", Up: ispctl.Mbit}, {Kind: ispctl.ZoneTotal, Name: "dmz", Down: ispctl.Gbit, Guarantee: 20 * ispctl.Mbit},
	}
	m := &ispctl.Model{Totals: totals, Flows: flows, Plans: []ispctl.Plan{{Name: "small", CPUs: 1, Memory: ispctl.GiB, Disk: ispctl.GiB, Limits: limits}}}
	text, err := document.Export(m)
	if err != nil {
		t.Fatal(err)
	}
	d, err := document.Parse("p.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var read []ispctl.Flow
	for _, f := range d.Flows {
		read = append(read, f.Flow)
	}
	if diff := cmp.Diff(flows, read, comparable); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, text)
	}
	var held []ispctl.Total
	for _, one := range d.Totals {
		held = append(held, one.Total)
	}
	if diff := cmp.Diff(totals, held); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, text)
	}
	if len(d.Plans) != 1 || d.Plans[0].Limits != limits {
		t.Errorf("want the limits %s, have %v", limits, d.Plans)
	}
	for _, bad := range []string{
		"{vm: web1, match: tcp/80}", "{vm: web1, match: tcp/80, priority: high}", "{vm: web1, match: icmp, rate: 1mbit, per_connection: true}",
		"{vm: web1, match: tcp/80, rate: 1}", "{vm: web1, match: tcp/80, rate: 1mbit, per_connection: maybe}",
	} {
		if _, err := document.Parse("p.yaml", []byte("version: 1\nflows: ["+bad+"]\n")); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%s: want an error of usage, have %v", bad, err)
		}
	}
}
