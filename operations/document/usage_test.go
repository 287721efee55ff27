package document_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/operations/document"
)

func TestParseUsage(t *testing.T) {
	d, err := document.Parse("p.yaml", []byte(`version: 1
metering: {time_zone: Europe/Berlin, keep_days: 100}
quotas:
  - {vm: web1, volume: 2TB}
  - {plan: small, volume: 500GB, direction: out, day: 15, action: throttle, rate: 10mbit}
tariffs:
  - {plan: small, currency: EUR, volume: out, included: 1TB, per_gb: 0.005}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []ispctl.Quota{
		{VM: "web1", Volume: 2e12, Direction: ispctl.DirectionSum, Day: 1, Action: ispctl.ActionNotify},
		{Plan: "small", Volume: 500e9, Direction: ispctl.DirectionOut, Day: 15, Action: ispctl.ActionThrottle, Rate: 10 * ispctl.Mbit},
	}
	if diff := cmp.Diff(want, []ispctl.Quota{d.Quotas[0].Quota, d.Quotas[1].Quota}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if *d.Metering.TimeZone != "Europe/Berlin" || *d.Metering.KeepDays != 100 {
		t.Errorf("%+v", d.Metering)
	}
	if got := d.Tariffs[0].Tariff; got != (ispctl.Tariff{Plan: "small", Currency: "EUR", Volume: ispctl.DirectionOut, Included: 1e12, PerGB: 5000}) {
		t.Errorf("%+v", got)
	}
}

func TestParseUsageRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"a quota of nobody", "quotas: [{volume: 1TB}]", "2:10: quota: is of a VM, of a tenant or of a plan"},
		{"of both", "quotas: [{vm: a, plan: b, volume: 1TB}]", "is of a VM, of a tenant or of a plan, one of them"},
		{"without volume", "quotas: [{vm: a}]", "2:10: key \"volume\" is missing"},
		{"of nothing", "quotas: [{vm: a, volume: 0GB}]", "is not above zero"},
		{"a day that no month has", "quotas: [{vm: a, volume: 1TB, day: 32}]", "day 32 is no day of a month"},
		{"a direction", "quotas: [{vm: a, volume: 1TB, direction: up}]", "2:42: direction \"up\""},
		{"to throttle to nothing", "quotas: [{vm: a, volume: 1TB, action: throttle}]", "takes a rate"},
		{"a rate for nothing", "quotas: [{vm: a, volume: 1TB, rate: 1mbit}]", "only to throttle"},
		{"twice", "quotas: [{vm: a, volume: 1TB}, {vm: a, volume: 2TB}]", "is in line 2 already"},
		{"a tariff of nothing", "tariffs: [{plan: a, currency: EUR}]", "bills neither"},
		{"a currency", "tariffs: [{plan: a, currency: euro, volume: out}]", "is not three capitals"},
		{"a price", "tariffs: [{plan: a, currency: EUR, volume: out, per_gb: -1}]", "is no amount of money"},
		{"a time zone", "metering: {time_zone: Mars}", "2:23: time zone \"Mars\""},
		{"days", "metering: {keep_days: some}", "is not 62 to 3660"},
		{"an unknown key", "metering: {tz: UTC}", "have: flow_days, keep_days, time_zone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := document.Parse("p.yaml", []byte("version: 1\n"+tt.in+"\n"))
			if ispctl.KindOf(err) != ispctl.Usage || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %q", err, tt.want)
			}
		})
	}
}
