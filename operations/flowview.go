package operations

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/state"
)

// FlowQuery says whose flows, and of when.
type FlowQuery struct {
	Of           string // a VM or a zone; empty: all
	Since, Until time.Time
	By           string // hour or day; empty: one row for the whole time
	Limit        int    // of each VM's rows, the largest; the others are summed; 0: all
}

// FlowUsageView is what a VM's connections carried, as scripts see it. One without a
// remote is the sum of what is not shown by itself.
type FlowUsageView struct {
	VM       string    `json:"vm"`
	UUID     string    `json:"uuid"`
	Zone     string    `json:"zone"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Opened   string    `json:"opened"` // by the vm, or by the remote; empty: both
	Protocol string    `json:"protocol"`
	Port     uint16    `json:"port"` // of the service: the remote's where the VM opened, else the VM's
	Remote   string    `json:"remote"`
	Flows    uint64    `json:"flows"`
	TrafficView
}

// protocolNames are those of IANA that are met most.
var protocolNames = map[uint8]string{1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6", 132: "sctp"}

func protocolName(n uint8) string {
	if name, known := protocolNames[n]; known {
		return name
	}
	return fmt.Sprint(n)
}

// Who opened a connection.
const (
	openedByVM     = "vm"
	openedByRemote = "remote"
)

// flowShelf is whose flows, while it was in one zone, and of when.
type flowShelf struct {
	vm   string // by UUID
	zone string
	meter.Period
}

// FlowUsage is what connections carried, by VM and time, the largest first.
func (p *Provider) FlowUsage(ctx context.Context, q FlowQuery) ([]FlowUsageView, error) {
	shelves, names, err := p.flowShelves(ctx, q)
	if err != nil {
		return nil, err
	}
	views := []FlowUsageView{}
	for _, at := range slices.SortedFunc(maps.Keys(shelves), func(a, b flowShelf) int {
		return cmp.Or(cmp.Compare(names[a.vm], names[b.vm]), cmp.Compare(a.vm, b.vm), cmp.Compare(a.zone, b.zone), a.From.Compare(b.From))
	}) {
		rows := make([]meter.FlowRow[string], 0, len(shelves[at]))
		for k, s := range shelves[at] {
			rows = append(rows, meter.FlowRow[string]{Owner: at.vm, FlowKey: k, FlowSum: s})
		}
		limit := q.Limit
		if limit <= 0 {
			limit = len(rows)
		}
		for _, r := range meter.Largest(rows, limit) {
			views = append(views, viewFlowUsage(names[at.vm], at, r))
		}
	}
	return views, nil
}

// flowShelves sums what is stored by whose it is and when.
func (p *Provider) flowShelves(ctx context.Context, q FlowQuery) (map[flowShelf]map[meter.FlowKey]meter.FlowSum, map[string]string, error) {
	usage, c, err := p.openUsage(ctx)
	if err != nil {
		return nil, nil, err
	}
	now := p.Clock.Now()
	if q.Since.IsZero() {
		q.Since = now.Add(-24 * time.Hour)
	}
	if q.Until.IsZero() {
		q.Until = now
	}
	if !q.Since.Before(q.Until) {
		return nil, nil, ispctl.Invalid("since", q.Since.UTC().Format(time.RFC3339), "is not before %s", q.Until.UTC().Format(time.RFC3339))
	}
	// Whole hours: nothing is known of parts of them.
	span := meter.Period{From: q.Since.UTC().Truncate(time.Hour), To: q.Until.UTC()}
	bucket, err := flowBucket(c, q.By, span)
	if err != nil {
		return nil, nil, err
	}
	meters, err := usage.Meters(ctx)
	if err != nil {
		return nil, nil, err
	}
	byID, names, of := map[meter.ID]state.Meter{}, map[string]string{}, map[meter.ID]bool{}
	kind, name, found := strings.Cut(q.Of, "/")
	if !found {
		kind, name = "", q.Of
	}
	for _, m := range meters {
		byID[m.ID] = m
		if m.Kind != state.VMMeter {
			continue
		}
		names[m.Ref] = m.Name
		asVM := kind != usageZone && (m.Name == name || m.Ref == name)
		asZone := kind != usageVM && m.Zone == name
		if q.Of == "" || asVM || asZone {
			of[m.ID] = true
		}
	}
	if q.Of != "" && len(of) == 0 {
		return nil, nil, p.neverMetered(ctx, name, meters)
	}
	shelves := map[flowShelf]map[meter.FlowKey]meter.FlowSum{}
	err = usage.EachFlow(ctx, span, of, func(r meter.FlowRow[meter.ID]) {
		m := byID[r.Owner]
		at := flowShelf{m.Ref, m.Zone, bucket(r.Hour)}
		if shelves[at] == nil {
			shelves[at] = map[meter.FlowKey]meter.FlowSum{}
		}
		k := r.FlowKey
		k.Hour = 0
		shelves[at][k] = shelves[at][k].Plus(r.FlowSum)
	})
	return shelves, names, err
}

// flowBucket says which row an hour belongs to.
func flowBucket(c meter.Calendar, by string, span meter.Period) (func(meter.Hour) meter.Period, error) {
	switch by {
	case "":
		return func(meter.Hour) meter.Period { return span }, nil
	case "hour":
		return func(h meter.Hour) meter.Period { return meter.Period{From: h.Start(), To: (h + 1).Start()} }, nil
	case "day":
		return func(h meter.Hour) meter.Period { return c.Day(h.Start()) }, nil
	}
	return nil, ispctl.Invalid("interval", by, "is not known; have: %s", strings.Join(FlowIntervals(), ", "))
}

// FlowIntervals are what flows can be asked by.
func FlowIntervals() []string { return []string{"hour", "day"} }

func viewFlowUsage(name string, at flowShelf, r meter.FlowRow[string]) FlowUsageView {
	v := FlowUsageView{VM: name, UUID: at.vm, Zone: at.zone, From: at.From.UTC(), To: at.To.UTC(), Flows: r.Flows, TrafficView: viewTraffic(r.Pair)}
	if r.IsRest() {
		return v
	}
	v.Opened, v.Protocol, v.Port, v.Remote = openedByRemote, protocolName(r.Proto), r.Port, r.Remote.String()
	if r.Opened {
		v.Opened = openedByVM
	}
	return v
}

// ipfixFlow is a sum in the names of IANA's IPFIX Information Elements, the way
// back in those of RFC 5103. Who opened the connection is the source.
type ipfixFlow struct {
	FlowStart time.Time `json:"flowStartMilliseconds"`
	FlowEnd   time.Time `json:"flowEndMilliseconds"`
	VM        string    `json:"virtualStationName"`
	UUID      string    `json:"virtualStationUUID"`
	Segment   string    `json:"observationDomainName"` // the zone

	Protocol        *uint8 `json:"protocolIdentifier,omitempty"`
	DestinationPort uint16 `json:"destinationTransportPort,omitempty"`
	Source4         string `json:"sourceIPv4Prefix,omitempty"`
	SourceLength4   int    `json:"sourceIPv4PrefixLength,omitempty"`
	Dest4           string `json:"destinationIPv4Prefix,omitempty"`
	DestLength4     int    `json:"destinationIPv4PrefixLength,omitempty"`
	Source6         string `json:"sourceIPv6Prefix,omitempty"`
	SourceLength6   int    `json:"sourceIPv6PrefixLength,omitempty"`
	Dest6           string `json:"destinationIPv6Prefix,omitempty"`
	DestLength6     int    `json:"destinationIPv6PrefixLength,omitempty"`
	Biflow          uint8  `json:"biflowDirection"` // 1: initiator

	Flows          uint64 `json:"deltaFlowCount"`
	Octets         uint64 `json:"octetDeltaCount"` // from the network header on
	Layer2         uint64 `json:"layer2OctetDeltaCount"`
	Packets        uint64 `json:"packetDeltaCount"`
	ReverseOctets  uint64 `json:"reverseOctetDeltaCount"`
	ReverseLayer2  uint64 `json:"reverseLayer2OctetDeltaCount"`
	ReversePackets uint64 `json:"reversePacketDeltaCount"`
}

// etherHeader is what a byte of IPFIX is not: octets begin with the network
// header.
const etherHeader = 14

// ExportFlows writes the sums of every hour as lines of JSON that an IPFIX
// collector's tools take.
func (p *Provider) ExportFlows(ctx context.Context, out io.Writer, q FlowQuery) error {
	q.By = "hour"
	shelves, names, err := p.flowShelves(ctx, q)
	if err != nil {
		return err
	}
	e := json.NewEncoder(out)
	for _, at := range slices.SortedFunc(maps.Keys(shelves), func(a, b flowShelf) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(names[a.vm], names[b.vm]), cmp.Compare(a.vm, b.vm), cmp.Compare(a.zone, b.zone))
	}) {
		for _, k := range slices.SortedFunc(maps.Keys(shelves[at]), meter.CompareFlows) {
			if err := e.Encode(asIPFIX(names[at.vm], at, k, shelves[at][k])); err != nil {
				return err
			}
		}
	}
	return nil
}

func asIPFIX(name string, at flowShelf, k meter.FlowKey, s meter.FlowSum) ipfixFlow {
	forth, back := s.In, s.Out // who opened sends first
	if k.Opened || k.IsRest() {
		forth, back = s.Out, s.In
	}
	f := ipfixFlow{
		FlowStart: at.From.UTC(), FlowEnd: at.To.UTC(), VM: name, UUID: at.vm, Segment: at.zone, Biflow: 1, Flows: s.Flows,
		Octets: forth.Bytes - etherHeader*forth.Packets, Layer2: forth.Bytes, Packets: forth.Packets,
		ReverseOctets: back.Bytes - etherHeader*back.Packets, ReverseLayer2: back.Bytes, ReversePackets: back.Packets,
	}
	if k.IsRest() {
		f.Biflow = 0 // arbitrary: it is of both
		return f
	}
	f.Protocol, f.DestinationPort = &k.Proto, k.Port
	addr, bits := k.Remote.Addr().String(), k.Remote.Bits()
	switch six := k.Remote.Addr().Is6(); {
	case k.Opened && six:
		f.Dest6, f.DestLength6 = addr, bits
	case k.Opened:
		f.Dest4, f.DestLength4 = addr, bits
	case six:
		f.Source6, f.SourceLength6 = addr, bits
	default:
		f.Source4, f.SourceLength4 = addr, bits
	}
	return f
}
