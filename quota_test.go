package ispctl_test

import (
	"strings"
	"testing"

	"ispctl"
)

func TestQuotasAndTariffs(t *testing.T) {
	quota := ispctl.Quota{VM: "web1", Volume: ispctl.TiB, Direction: ispctl.DirectionSum, Day: 1, Action: ispctl.ActionThrottle, Rate: ispctl.Mbit}
	tariff := ispctl.Tariff{Plan: "small", Currency: "EUR", Volume: ispctl.DirectionSum, Included: ispctl.TiB, PerGB: 5000}
	for _, tt := range []struct {
		name   string
		quota  func(*ispctl.Quota)
		tariff func(*ispctl.Tariff)
		want   string
	}{
		{"as it is", func(*ispctl.Quota) {}, func(*ispctl.Tariff) {}, ""},
		{"of nobody", func(q *ispctl.Quota) { q.VM = "" }, nil, "of a VM, of a tenant or of a plan"},
		{"of both", func(q *ispctl.Quota) { q.Plan = "small" }, nil, "of a VM, of a tenant or of a plan"},
		{"no volume", func(q *ispctl.Quota) { q.Volume = 0 }, nil, "not above zero"},
		{"sideways", func(q *ispctl.Quota) { q.Direction = "sideways" }, nil, "have: in, out, sum, max"},
		{"no action", func(q *ispctl.Quota) { q.Action = "" }, nil, "have: notify, throttle, block"},
		{"day 32", func(q *ispctl.Quota) { q.Day = 32 }, nil, "no day of a month"},
		{"day 0", func(q *ispctl.Quota) { q.Day = 0 }, nil, "no day of a month"},
		{"no rate", func(q *ispctl.Quota) { q.Rate = 0 }, nil, "takes a rate"},
		{"a rate for nothing", func(q *ispctl.Quota) { q.Action = ispctl.ActionBlock }, nil, "of use only to throttle"},
		{"euro", nil, func(t *ispctl.Tariff) { t.Currency = "euro" }, "three capitals"},
		{"nothing billed", nil, func(t *ispctl.Tariff) { t.Volume, t.Included, t.PerGB = "", 0, 0 }, "neither"},
		{"price of nothing", nil, func(t *ispctl.Tariff) { t.PerMbit = 1 }, "not in which direction"},
		{"below zero", nil, func(t *ispctl.Tariff) { t.PerGB = -1 }, "below zero"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var errs []error
			if tt.quota != nil {
				q := quota
				tt.quota(&q)
				errs = append(errs, q.Validate())
			}
			if tt.tariff != nil {
				one := tariff
				tt.tariff(&one)
				errs = append(errs, one.Validate())
			}
			for _, err := range errs {
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || ispctl.KindOf(err) != ispctl.Usage) {
					t.Errorf("%v, want %q", err, tt.want)
				}
			}
		})
	}
}

func TestPrices(t *testing.T) {
	for text, want := range map[string]string{"0": "0.00", "12": "12.00", "0.005": "0.005", "0.1": "0.10", "1.234567": "1.234567", "0.000001": "0.000001"} {
		p, err := ispctl.ParsePrice(text)
		if err != nil || p.String() != want {
			t.Errorf("%s: %s, %v, want %s", text, p, err, want)
		}
	}
	for _, bad := range []string{"", ".", "-1", "1.", ".5", "1.2345678", "1,5", "1e3", "NaN", "99999999999999999999", "1.-5", "1.+5"} {
		if p, err := ispctl.ParsePrice(bad); err == nil {
			t.Errorf("%q is taken for %s", bad, p)
		}
	}
	if s := ispctl.Price(-1_500_000).String(); s != "-1.50" {
		t.Error(s)
	}
}

func TestMetering(t *testing.T) {
	for _, m := range []ispctl.Metering{{}, {TimeZone: "Europe/Berlin"}, {KeepDays: 62}} {
		if err := m.Validate(); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
	}
	for _, m := range []ispctl.Metering{{TimeZone: "Local"}, {TimeZone: "Mars"}, {KeepDays: 1}, {KeepDays: 1e6}} {
		if err := m.Validate(); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%+v: %v", m, err)
		}
	}
}
