package ispctl_test

import (
	"strings"
	"testing"

	"ispctl"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]ispctl.Rate{
		"100mbit": 100 * ispctl.Mbit, "1.5Mbit": 1500 * ispctl.Kbit, "64 kbit": 64 * ispctl.Kbit, "1gbit": ispctl.Gbit, "800bit": 800, "0.000000008gbit": 8,
	} {
		got, err := ispctl.ParseRate(text)
		if err != nil || got != want {
			t.Errorf("%s: want %d, have %d, %v", text, want, got, err)
		}
		if back, err := ispctl.ParseRate(got.String()); err != nil || back != got {
			t.Errorf("%s: is printed as %s, which reads as %d, %v", text, got, back, err)
		}
	}
	for text, want := range map[string]string{
		"100": "has no unit", "100mbps": "bps", "mbit": "no number", "-1mbit": "no number", "1.mbit": "no number", "1.5bit": "no number",
		"99999999999gbit": "no number", "": "has no unit", "1e3mbit": "no number",
	} {
		if got, err := ispctl.ParseRate(text); err == nil || !strings.Contains(err.Error(), want) || ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%s: want an error with %q, have %d, %v", text, want, got, err)
		}
	}
}

func TestLimitsRefuse(t *testing.T) {
	const m = ispctl.Mbit
	for want, l := range map[string]ispctl.Limits{
		"down 5mbit is below the guarantee of 10mbit":                       {Down: 5 * m, Guarantee: 10 * m},
		"down 1kbit is not 64kbit to 32gbit":                                {Down: ispctl.Kbit},
		"up 40gbit is not 64kbit to 32gbit":                                 {Up: 40 * ispctl.Gbit},
		"burst without a ceiling says nothing; set down or up":              {Burst: ispctl.MiB},
		"burst 1KiB is less than 4KiB, which is two frames":                 {Burst: ispctl.KiB, Down: m},
		"cpu-ceiling 1% is not 5% to 51200%":                                {CPUCeiling: 1},
		"cpu-shares 1 is not 2 to 10000":                                    {CPUShares: 1},
		"cpu-guarantee 51300% is not 1% to 51200%":                          {CPUGuarantee: 51300},
		"cpu-ceiling 30% is below the cpu-guarantee of 40%":                 {CPUCeiling: 30, CPUGuarantee: 40},
		"cpu-guarantee 150% is more than the 1 CPUs of cpu-pin 3 have":      {CPUGuarantee: 150, CPUPin: "3"},
		"disk-weight 1001 is not 1 to 1000":                                 {DiskWeight: 1001},
		"read-iops 20000000 is not 1 to 10000000":                           {ReadIOPS: 20_000_000},
		"write-rate 1KiB per second is not 64KiB to 1TiB":                   {WriteRate: ispctl.KiB},
		"read-burst without read-rate says nothing; set read-rate":          {ReadBurst: ispctl.MiB},
		"write-burst 1MiB is less than write-rate allows in a second: 2MiB": {WriteRate: 2 * ispctl.MiB, WriteBurst: ispctl.MiB},
		"write-iops-burst 500000 takes more than an hour at write-iops 100": {WriteIOPS: 100, WriteIOPSBurst: 500_000},
		"connections 1 is not 8 to 4000000":                                 {Connections: 1},
		"new-connections -5 is not 1 to 4000000":                            {NewConnections: -5},
		"packets 10 is not 50 to 100000000":                                 {Packets: 10},
		"dscp 99 is no mark":                                                {DSCP: 99},

		"dscp trust without a ceiling says nothing, for nothing waits; set down or up": {DSCP: ispctl.TrustDSCP},
	} {
		if err := l.Validate(); err == nil || err.Error() != want {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}

// TestPromises: what is promised beyond the uplink is refused, with the sum.
func TestPromises(t *testing.T) {
	m := &ispctl.Model{
		Installation: ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"},
		Uplink:       ispctl.Uplink{Interface: "eth0", Kind: ispctl.Routed, Up: 25 * ispctl.Mbit},
		Plans:        []ispctl.Plan{{Name: "small", CPUs: 1, Memory: ispctl.GiB, Disk: ispctl.GiB, Limits: ispctl.Limits{Guarantee: 10 * ispctl.Mbit}}},
		Images:       []ispctl.Image{{Name: "micro", Digest: "d", Size: ispctl.MiB}},
	}
	for _, name := range []ispctl.Name{"a", "b"} {
		m.VMs = append(m.VMs, ispctl.VM{Name: name, Plan: "small", Image: "d", Wanted: ispctl.Running})
	}
	if err := m.Validate(); err != nil {
		t.Fatalf("20 of 25: %v", err)
	}
	m.VMs[1].Limits.Guarantee = 18 * ispctl.Mbit
	err := m.Validate()
	if want := "2 guests are promised 28mbit together; its up is 25mbit: 3mbit too much"; err == nil || !strings.Contains(err.Error(), want) || ispctl.KindOf(err) != ispctl.Conflict {
		t.Errorf("want %q, have %v", want, err)
	}
	m.VMs[1].Limits.Guarantee = ispctl.NoLimit
	if err := m.Validate(); err != nil {
		t.Errorf("10 of 25: %v", err)
	}
}
