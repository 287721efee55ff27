package cli

import (
	"context"
	"errors"

	"ispctl"
	"ispctl/net/firewall"
	"ispctl/net/nft"
	"ispctl/operations"
)

// readDrops reads what the wall has counted. Before there is a wall there is
// nothing.
func readDrops(ctx context.Context, inst ispctl.Installation) (d operations.Drops, err error) {
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
	for tap, reasons := range byTap {
		d[tap] = map[string]uint64{}
		for reason, n := range reasons {
			d[tap][string(reason)] = n.Packets
		}
	}
	return d, nil
}

// dropsOf is readDrops as a provider wants it.
func dropsOf(inst ispctl.Installation) func(context.Context) (operations.Drops, error) {
	return func(ctx context.Context) (operations.Drops, error) { return readDrops(ctx, inst) }
}
