package operations_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
)

const usageDocument = `version: 1
zones: [{name: dmz, prefix: 10.10.0.0/24, snat: 203.0.113.10}]
plans: [{name: small, cpus: 1, memory: 256MiB, disk: 1GiB}, {name: big, cpus: 2, memory: 256MiB, disk: 1GiB}]
vms: [{name: web1, template: micro, zone: dmz, plan: small}]
`

// TestApplyUsage: quotas and tariffs are of the document, with those that
// commands made left alone.
func TestApplyUsage(t *testing.T) {
	w := newWorld(t)
	usage := `metering: {time_zone: Europe/Berlin}
quotas:
  - {vm: web1, volume: 2TB, action: throttle, rate: 10mbit}
  - {plan: big, volume: 1TB}
tariffs: [{plan: big, currency: EUR, volume: out, per_gb: 0.01}]
`
	say := func(text string, prune bool, want ...string) {
		t.Helper()
		r, err := w.apply(text, prune, options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, line := range r.Intent {
			if strings.Contains(line, "quota") || strings.Contains(line, "tariff") || strings.Contains(line, "metering") {
				got = append(got, line)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	say(usageDocument+usage, false, "~ metering time zone UTC -> Europe/Berlin", `+ quota vm "web1" 2TB sum throttle 10mbit`, `+ quota plan "big" 1TB sum notify`, "+ tariff of plan big in EUR")
	say(usageDocument+usage, true)
	exported, err := w.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	say(string(exported), true)
	say(usageDocument+strings.Replace(usage, "2TB", "3TB", 1), false, `~ quota vm "web1" 3TB sum throttle 10mbit`)
	w.ok(w.SetQuota(t.Context(), ispctl.Quota{Plan: "small", Volume: 5e12, Direction: "sum", Day: 1, Action: "notify"}, options{}))
	say(usageDocument, true, `- quota plan "big" 1TB sum notify`, `- quota vm "web1" 3TB sum throttle 10mbit`, "- tariff of plan big")
	if m := w.model(); len(m.Quotas) != 1 || m.Quotas[0].Plan != "small" || len(m.Tariffs) != 0 {
		t.Errorf("left: %+v, %+v", m.Quotas, m.Tariffs)
	}
	_, err = w.apply(usageDocument+"quotas: [{vm: web9, volume: 1TB}]\ntariffs: [{plan: huge, currency: EUR, volume: in}]\n", false, options{})
	refused(t, err, ispctl.Usage, "p.yaml:5:15")
	refused(t, err, ispctl.Usage, "p.yaml:6:18")
}
