package firewall

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"ispctl"
	"ispctl/net/nft"
)

// drops is the one set of the table that counts what the other one drops.
const drops = "drops"

// What comes by a tap of no guest is not counted by tap: there is nobody to
// tell, and a guest that is being destroyed would leave its last frames behind.
//
// A guest can put in no more elements than there are reasons, and they go with
// it. One that counted nothing for a quarter of a year goes anyhow.
const (
	dropsSize    = 1 << 18
	dropsTimeout = 90 * 24 * time.Hour
)

// dropTable is a table of its own: replacing the rules loses no count.
func dropTable(m *ispctl.Model) nft.Table {
	ours := m.Installation.LinkPattern()
	counting := []nft.Rule{rule("by tap and reason", isCondemned(ours), nft.MarkSeen.Not(nft.Mark(condemned|unknownTap)), nft.CountIn(drops, nft.InLink, nft.MarkSeen))}
	t := nft.NewTable(nft.Bridge, dropTableName(m.Installation), []nft.Set{
		{Name: drops, Key: []nft.Type{nft.TypeIfname, nft.TypeMark}, Dynamic: true, Size: dropsSize, Timeout: dropsTimeout},
	}, []nft.Chain{
		{Name: "count", Hook: &nft.Hook{Type: "filter", Hook: "prerouting", Priority: countPriority}, Rules: counting},
		{Name: "count-reserved", Hook: &nft.Hook{Type: "filter", Hook: "input", Priority: countPriority}, Rules: counting},
	})
	t.Keep(drops, nft.Ifname("")) // no tap's: the set has an owner even when there is no guest
	for vm := range m.Guests() {
		for _, nic := range vm.NICs {
			t.Keep(drops, nft.Ifname(nic.Tap))
		}
	}
	return t
}

func dropTableName(i ispctl.Installation) string { return nft.Part(i.Table(Layer), drops) }

// Counter is an edge that can read counters: [nft.Kernel] or [nft.Fake].
type Counter interface {
	Counts(ctx context.Context, family nft.Family, table, set string) ([]nft.Counted, error)
}

var (
	_ Counter = (*nft.Kernel)(nil)
	_ Counter = (*nft.Fake)(nil)
)

// Drops is how many frames were dropped, by the tap they came from and why.
// Bytes are counted from the network header on. A tap that dropped nothing is
// not in it.
func Drops(ctx context.Context, i ispctl.Installation, c Counter) (map[string]map[Reason]nft.Tally, error) {
	counts, err := c.Counts(ctx, nft.Bridge, dropTableName(i), drops)
	if err != nil {
		return nil, err
	}
	byTap := map[string]map[Reason]nft.Tally{}
	for _, n := range counts {
		tap, reason := decodeDrop(n.Key)
		if byTap[tap] == nil {
			byTap[tap] = map[Reason]nft.Tally{}
		}
		byTap[tap][reason] = n.Tally
	}
	return byTap, nil
}

// decodeDrop takes a (tap . mark) apart. A reason that a newer program gave has
// only a number here.
func decodeDrop(key string) (tap string, reason Reason) {
	const markAt = 16
	tap = strings.TrimRight(key[:markAt], "\x00")
	n := binary.NativeEndian.Uint32([]byte(key[markAt:])) &^ markPrefix
	if int(n) < len(reasons) && reasons[n] != "" {
		return tap, reasons[n]
	}
	return tap, Reason(fmt.Sprintf("reason-%d", n))
}
