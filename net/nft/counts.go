package nft

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// Tally is what a counter has counted.
type Tally struct{ Packets, Bytes uint64 }

// Counts reads the elements of a dynamic set and what they counted, by key. A
// table that is not there has counted nothing.
func (k *Kernel) Counts(_ context.Context, family Family, table, set string) (map[string]Tally, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, errClosed
	}
	elems, err := k.conn.GetSetElements(&nftables.Set{
		Name: set, Table: &nftables.Table{Family: familyOf(family), Name: table},
	})
	if errors.Is(err, unix.ENOENT) {
		return map[string]Tally{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read counters %s of table %s %s: %w", set, family, table, err)
	}
	counts := make(map[string]Tally, len(elems))
	for _, e := range elems {
		if e.Counter != nil {
			counts[string(e.Key)] = Tally{Packets: e.Counter.Packets, Bytes: e.Counter.Bytes}
		}
	}
	return counts, nil
}
