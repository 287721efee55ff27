package firewall

import (
	"time"

	"ispctl/net/nft"
)

// Limits keep one guest, or one machine outside, from using up what all share:
// the kernel's table of connections, and the time it takes to open one. They are
// for new connections only, two look-ups each, however many guests there are.
const (
	// MostConnections is how many a guest's address may have open at once, in
	// both tables of the host: to others, and to the host itself. A mail or web
	// server that is busy has some thousand. A plan may say another number.
	MostConnections = 10_000

	// SourceRate and ForwardRate are how many connections one address of the
	// Internet may open in a second to what we carry in, and all of them
	// together to one port of a guest; for Burst seconds it may be that many at
	// once.
	SourceRate  = 200
	ForwardRate = 2000
	Burst       = 2
)

// The dynamic sets. What no packet met for a while is forgotten.
const (
	maxLimited = 1 << 17
	limitMemo  = time.Minute
)

// family is what differs between IPv4 and IPv6.
type family struct {
	suffix       string
	is           nft.Stmt
	key          nft.Type
	source, dest nft.Operand
}

func limitFamilies() []family {
	return []family{
		{"4", nft.FromIPv4(), nft.TypeIPv4, nft.IPSource, nft.IPDest},
		{"6", nft.FromIPv6(), nft.TypeIPv6, nft.IP6Source, nft.IP6Dest},
	}
}

// limitSets are what packets put the limited into.
func limitSets() []nft.Set {
	var sets []nft.Set
	for _, f := range limitFamilies() {
		sets = append(sets,
			// An element has no timeout: it goes when its connections have.
			nft.Set{Name: "connections" + f.suffix, Key: []nft.Type{f.key}, Dynamic: true, Size: maxLimited},
			nft.Set{Name: "pace_sources" + f.suffix, Key: []nft.Type{f.key}, Dynamic: true, Size: maxLimited, Timeout: limitMemo},
			nft.Set{Name: "pace_ports" + f.suffix, Key: []nft.Type{f.key, nft.TypeService}, Dynamic: true, Size: maxLimited, Timeout: limitMemo})
	}
	return sets
}

// guestLimitRules drop what a guest opens beyond its share. They stand behind
// the rule for what is established.
func guestLimitRules(own []ownLimit) []nft.Rule {
	var rules []nft.Rule
	for _, l := range own {
		rules = append(rules, l.rules(false)...)
	}
	for _, f := range limitFamilies() {
		rules = append(rules, nft.NewRule("guest with too many connections",
			nft.IIFIn(zoneLinks), f.is, nft.InState(nft.New), nft.NotIn(ownConnections+f.suffix, f.source),
			nft.MoreConnections("connections"+f.suffix, MostConnections, f.source), nft.Count(), nft.Drop()))
	}
	return rules
}

// floodRules drop what is opened too fast from the Internet: first by the one
// source, so that it does not use up the share of all others.
func floodRules() []nft.Rule {
	var rules []nft.Rule
	for _, f := range limitFamilies() {
		rules = append(rules,
			nft.NewRule("opens too many connections a second",
				nft.IIFIn(uplinks), f.is, nft.InState(nft.New), nft.Faster("pace_sources"+f.suffix, SourceRate, Burst*SourceRate, f.source), nft.Count(), nft.Drop()),
			nft.NewRule("too many connections a second to one port",
				nft.IIFIn(uplinks), f.is, nft.InState(nft.New), nft.L4Proto("tcp", 6),
				nft.Faster("pace_ports"+f.suffix, ForwardRate, Burst*ForwardRate, f.dest, nft.DestPort), nft.Count(), nft.Drop()))
	}
	return rules
}
