package cli

import (
	"context"
	"errors"

	"ispctl"
	"ispctl/net/firewall"
	"ispctl/net/nft"
	"ispctl/operations"
	"ispctl/qos"
)

// etherHeader is what nftables does not count of a frame.
const etherHeader = 14

// readDrops reads what the wall and the shapers have counted. Before there is a
// wall there is nothing.
func readDrops(ctx context.Context, inst ispctl.Installation, m *ispctl.Model) (d operations.Drops, err error) {
	wall, err := nft.Open(inst.Table(firewall.Layer))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, wall.Close()) }()
	byTap, err := firewall.Drops(ctx, inst, wall)
	if err != nil {
		return nil, err
	}
	d = operations.Drops{}
	put := func(tap, reason string, n operations.Dropped) {
		if n == (operations.Dropped{}) {
			return
		}
		if d[tap] == nil {
			d[tap] = map[string]operations.Dropped{}
		}
		d[tap][reason] = n
	}
	for tap, reasons := range byTap {
		for reason, n := range reasons {
			put(tap, string(reason), operations.Dropped{Packets: n.Packets, Bytes: n.Bytes + etherHeader*n.Packets})
		}
	}
	shapers, err := qos.Open(inst.LinkGroup(), inst.ShaperGroup())
	if err != nil {
		return nil, err
	}
	defer shapers.Close()
	shaped, err := shapers.Drops(m)
	for tap, n := range shaped {
		put(tap, operations.ShaperIn, operations.Dropped{Packets: n.Down})
		put(tap, operations.ShaperOut, operations.Dropped{Packets: n.Up})
	}
	return d, err
}

// dropsOf is readDrops as a provider wants it.
func dropsOf(inst ispctl.Installation) func(context.Context, *ispctl.Model) (operations.Drops, error) {
	return func(ctx context.Context, m *ispctl.Model) (operations.Drops, error) { return readDrops(ctx, inst, m) }
}
