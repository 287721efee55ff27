package report

import (
	"time"

	"ispctl"
	"ispctl/meter"
)

// Report is a month of one or more groups.
type Report struct {
	Month    string    `json:"month"` // 2026-10
	TimeZone string    `json:"time_zone"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Until    time.Time `json:"until"`  // figures are complete up to here
	SoFar    bool      `json:"so_far"` // the month goes on
	Groups   []Group   `json:"groups"`
	Notes    []Note    `json:"notes"`
}

// Group is the VMs of a zone, or of a tenant.
type Group struct {
	Kind string `json:"kind"` // zone or tenant
	Name string `json:"name"`
	VMs  []VM   `json:"vms"`

	In       int64   `json:"in_bytes"`
	Out      int64   `json:"out_bytes"`
	Measured Rates   `json:"percentile95"` // of the group as a whole
	Peak     Peak    `json:"peak"`
	Owed     []Money `json:"owed"`
	Services []Top   `json:"services"` // where zones record it; as they are counted by connection
	Remotes  []Top   `json:"remotes"`
	Chart    Chart   `json:"-"`
}

// VM is one VM's month. Volumes, percentiles and peaks are of its traffic with
// the Internet, which alone is billed.
type VM struct {
	Name string `json:"name"`
	UUID string `json:"uuid"`
	Zone string `json:"zone"`
	Plan string `json:"plan"`
	Gone bool   `json:"gone"` // destroyed since

	In  int64 `json:"in_bytes"` // with corrections
	Out int64 `json:"out_bytes"`

	Other Other `json:"other"`

	Measured    Rates        `json:"percentile95"`
	Peak        Peak         `json:"peak"`
	Quota       *Quota       `json:"quota"`
	Bill        []BillLine   `json:"bill"`
	Currency    string       `json:"currency"`
	Owed        string       `json:"owed"`
	Corrections []Correction `json:"corrections"`
}

// Other is the traffic that is not billed.
type Other struct {
	ZonesIn  uint64 `json:"zones_in_bytes"`
	ZonesOut uint64 `json:"zones_out_bytes"`
	NearIn   uint64 `json:"near_in_bytes"`
	NearOut  uint64 `json:"near_out_bytes"`
	AdminIn  uint64 `json:"admin_in_bytes"`
	AdminOut uint64 `json:"admin_out_bytes"`
}

// Rates are 95th percentiles of five-minute averages, in bit/s.
type Rates struct {
	In  uint64 `json:"in_bits_per_second"`
	Out uint64 `json:"out_bits_per_second"`
	Sum uint64 `json:"sum_bits_per_second"`
	Max uint64 `json:"max_bits_per_second"`
}

// Peak is the highest five-minute average of either direction.
type Peak struct {
	Rate      uint64           `json:"bits_per_second"`
	Direction ispctl.Direction `json:"direction"`
	At        time.Time        `json:"at"`
}

// Quota is how much of a quota the month has used.
type Quota struct {
	Volume    int64            `json:"volume_bytes"`
	Used      uint64           `json:"used_bytes"`
	Direction ispctl.Direction `json:"direction"`
	Action    ispctl.Action    `json:"action"`
}

// BillLine is one line of a bill. Amounts are decimal.
type BillLine struct {
	Measure   string           `json:"measure"` // volume or percentile95
	Direction ispctl.Direction `json:"direction"`
	Used      uint64           `json:"used"` // bytes, or bit/s
	Included  uint64           `json:"included"`
	Over      uint64           `json:"over"`
	Price     string           `json:"price"` // of a GB, or a Mbit/s
	Amount    string           `json:"amount"`
}

// Correction is a difference that was booked by hand.
type Correction struct {
	At     time.Time `json:"at"`
	In     int64     `json:"in_bytes"`
	Out    int64     `json:"out_bytes"`
	Reason string    `json:"reason"`
	Actor  string    `json:"actor"`
}

// Money is what is owed in one currency.
type Money struct {
	Currency string `json:"currency"`
	Amount   string `json:"amount"`
}

// Note is something about the figures that is worth knowing.
type Note struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Chart is the course of a month: for each column the highest five-minute
// averages in it, in bit/s.
type Chart struct {
	In, Out    []uint64
	Percentile uint64 // of the larger direction
}

// chartColumns is how many columns a month has in a chart: as many as can be
// told apart on paper.
const chartColumns = 480

// Subject is one VM's metered month, from which figures are made.
type Subject struct {
	Name, UUID, Zone, Tenant, Plan string
	Gone                           bool
	Series                         *meter.Series // it is used during Add only
	Corrections                    []Correction
	Quota                          *ispctl.Quota
	Tariff                         *ispctl.Tariff
	Services, Remotes              []Talk
}

// Frame is the month that figures are of.
type Frame struct {
	Name     string
	TimeZone string
	Period   meter.Period
	Until    time.Time // up to when has been metered
	Now      time.Time
	Notes    []Note
}

// Grouping says which group of a report a subject is in.
type Grouping func(Subject) (kind, name string)

// ByZone makes a group of each zone.
func ByZone(s Subject) (kind, name string) { return "zone", s.Zone }

// ByTenant makes a group of each tenant, and one of each zone for what is
// nobody's.
func ByTenant(s Subject) (kind, name string) {
	if s.Tenant == "" {
		return ByZone(s)
	}
	return "tenant", s.Tenant
}

// Maker works out a report, one subject at a time: a month of samples of all
// VMs is more than should be held in memory.
type Maker struct {
	frame   Frame
	by      Grouping
	report  *Report
	places  map[string]int
	sums    []*meter.Series
	talks   []talks
	scratch []uint64
}

// NewMaker begins a report. Groups and VMs come in the order they are added in.
func NewMaker(f Frame, by Grouping) *Maker {
	r := &Report{
		Month: f.Name, TimeZone: f.TimeZone, From: f.Period.From.UTC(), To: f.Period.To.UTC(), Until: f.Until.UTC(),
		SoFar: f.Now.Before(f.Period.To), Groups: []Group{}, Notes: f.Notes,
	}
	if r.Notes == nil {
		r.Notes = []Note{}
	}
	return &Maker{frame: f, by: by, report: r, places: map[string]int{}}
}

// Add adds a subject.
func (m *Maker) Add(s Subject) {
	kind, name := m.by(s)
	i, there := m.places[kind+" "+name]
	if !there {
		i = len(m.report.Groups)
		m.places[kind+" "+name] = i
		m.report.Groups = append(m.report.Groups, Group{Kind: kind, Name: name, VMs: []VM{}, Owed: []Money{}, Services: []Top{}, Remotes: []Top{}})
		m.talks = append(m.talks, talks{})
		m.sums = append(m.sums, meter.NewSeries(m.frame.Period))
	}
	m.report.Groups[i].VMs = append(m.report.Groups[i].VMs, m.vm(s))
	m.sums[i].Plus(s.Series)
	m.talks[i].add(s.Services, s.Remotes)
}

// Report is what was made of the subjects so far.
func (m *Maker) Report() *Report {
	for i := range m.report.Groups {
		g := &m.report.Groups[i]
		m.sum(g, m.sums[i])
		g.Services, g.Remotes = m.talks[i].services.tops(), m.talks[i].remotes.tops()
	}
	return m.report
}

func (m *Maker) vm(s Subject) VM {
	v := VM{
		Name: s.Name, UUID: s.UUID, Zone: s.Zone, Plan: s.Plan, Gone: s.Gone,
		In: int64(s.Series.Sum[meter.Internet].In.Bytes), Out: int64(s.Series.Sum[meter.Internet].Out.Bytes),
		Other: Other{
			ZonesIn: s.Series.Sum[meter.Zones].In.Bytes, ZonesOut: s.Series.Sum[meter.Zones].Out.Bytes,
			NearIn: s.Series.Sum[meter.Near].In.Bytes, NearOut: s.Series.Sum[meter.Near].Out.Bytes,
			AdminIn: s.Series.Sum[meter.Admin].In.Bytes, AdminOut: s.Series.Sum[meter.Admin].Out.Bytes,
		},
		Bill: []BillLine{}, Corrections: s.Corrections,
	}
	if v.Corrections == nil {
		v.Corrections = []Correction{}
	}
	for _, c := range s.Corrections {
		v.In, v.Out = v.In+c.In, v.Out+c.Out
	}
	percentile := func(d ispctl.Direction) uint64 { return m.percentile(s.Series, d) }
	v.Measured, v.Peak = m.rates(s.Series), peakOf(s.Series)
	if s.Quota != nil {
		v.Quota = &Quota{Volume: int64(s.Quota.Volume), Used: uint64(max(0, inDirection(s.Quota.Direction, v.In, v.Out))), Direction: s.Quota.Direction, Action: s.Quota.Action}
	}
	if s.Tariff != nil {
		lines := meter.Bill(*s.Tariff, inDirection(s.Tariff.Volume, v.In, v.Out), percentile)
		for _, l := range lines {
			v.Bill = append(v.Bill, BillLine{l.Measure, l.Direction, l.Used, l.Included, l.Over, l.Price.String(), l.Amount.String()})
		}
		v.Currency, v.Owed = s.Tariff.Currency, meter.Owed(lines).String()
	}
	return v
}

func inDirection(d ispctl.Direction, in, out int64) int64 {
	switch d {
	case ispctl.DirectionIn:
		return in
	case ispctl.DirectionOut:
		return out
	case ispctl.DirectionMax:
		return max(in, out)
	}
	return in + out
}

// percentile is of the part of the month that has been: all of it, or what has
// passed.
func (m *Maker) percentile(s *meter.Series, d ispctl.Direction) (bytes uint64) {
	p := m.frame.Period
	if m.frame.Now.Before(p.To) {
		p.To = m.frame.Now
	}
	bytes, m.scratch = s.Percentile95(d, p.Slots(), m.scratch)
	return bytes
}

func (m *Maker) rates(s *meter.Series) Rates {
	of := func(d ispctl.Direction) uint64 { return meter.Rate(m.percentile(s, d)) }
	return Rates{of(ispctl.DirectionIn), of(ispctl.DirectionOut), of(ispctl.DirectionSum), of(ispctl.DirectionMax)}
}

func peakOf(s *meter.Series) Peak {
	bytes, d, at := s.Peak()
	if bytes == 0 {
		return Peak{}
	}
	return Peak{Rate: meter.Rate(bytes), Direction: d, At: at.Start()}
}

func (m *Maker) sum(g *Group, s *meter.Series) {
	g.In, g.Out, g.Owed = 0, 0, []Money{}
	owed := map[string]ispctl.Price{}
	var currencies []string
	for _, v := range g.VMs {
		g.In, g.Out = g.In+v.In, g.Out+v.Out
		if v.Currency == "" {
			continue
		}
		amount, _ := ispctl.ParsePrice(v.Owed)
		if _, there := owed[v.Currency]; !there {
			currencies = append(currencies, v.Currency)
		}
		owed[v.Currency] += amount
	}
	for _, c := range currencies {
		g.Owed = append(g.Owed, Money{c, owed[c].String()})
	}
	g.Measured, g.Peak = m.rates(s), peakOf(s)
	g.Chart = chartOf(s, g.Measured.Max)
}

func chartOf(s *meter.Series, percentile uint64) Chart {
	c := Chart{In: make([]uint64, chartColumns), Out: make([]uint64, chartColumns), Percentile: percentile}
	for slot := range s.In {
		i := slot * chartColumns / len(s.In)
		c.In[i], c.Out[i] = max(c.In[i], meter.Rate(s.In[slot])), max(c.Out[i], meter.Rate(s.Out[slot]))
	}
	return c
}

// OfHours is the chart of samples that were thinned to hours: what passed in
// each was spread over twelve slots.
func (c Chart) OfHours(percentile uint64) Chart {
	const slots = 12
	for _, values := range [][]uint64{c.In, c.Out} {
		for i := range values {
			values[i] /= slots
		}
	}
	c.Percentile = percentile
	return c
}
