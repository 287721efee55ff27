package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"ispctl"
	"ispctl/meter"
	"ispctl/net/count"
	"ispctl/net/nft"
	"ispctl/operations"
	"ispctl/state"
)

// openUsage opens the usage database when it is first asked for: most commands
// have no use for it.
func (a *app) openUsage() func(context.Context) (*state.Usage, error) {
	var usage *state.Usage
	return func(ctx context.Context) (_ *state.Usage, err error) {
		if usage == nil {
			if usage, err = state.OpenUsage(ctx, a.paths()); err == nil {
				a.later(usage.Close)
			}
		}
		return usage, err
	}
}

// Counters reads the host's counters by an edge that stays open.
func Counters(inst ispctl.Installation, edge *nft.Kernel) operations.Counters {
	return func(ctx context.Context) (map[meter.Source]*meter.Counts, error) {
		r, err := count.Read(ctx, inst, edge)
		if err != nil {
			return nil, err
		}
		return sourcesOf(r), nil
	}
}

func sourcesOf(r count.Reading) map[meter.Source]*meter.Counts {
	n := len(r.Taps) + len(r.Addresses)
	all, counts := make(map[meter.Source]*meter.Counts, n), make([]meter.Counts, 0, n)
	put := func(s meter.Source, c meter.Counts) {
		counts = append(counts, c) // there is room for all: they stay where they are
		all[s] = &counts[len(counts)-1]
	}
	for tap, t := range r.Taps {
		put(meter.Source(tap), meter.Counts{meter.Internet: pair(t.Internet), meter.Zones: pair(t.Zones), meter.Near: pair(t.Near)})
	}
	for addr, p := range r.Addresses {
		put(addressSource(addr), meter.Counts{meter.Internet: pair(p)})
	}
	return all
}

func addressSource(a netip.Addr) meter.Source { return meter.Source(a.String()) }

func pair(p count.Pair) meter.Pair {
	return meter.Pair{In: meter.Way{Bytes: p.In.Bytes, Packets: p.In.Packets}, Out: meter.Way{Bytes: p.Out.Bytes, Packets: p.Out.Packets}}
}

// metering gives a provider what sampling takes, without the hypervisor. The
// process must be in the installation's network namespace.
func (a *app) metering(p *operations.Provider, inst ispctl.Installation) error {
	edge, err := nft.Open(inst.Table(count.Layer))
	if err != nil {
		return err
	}
	a.later(edge.Close)
	p.Counters, p.Notify = Counters(inst, edge), a.quotaHook
	return nil
}

// hookTimeout bounds a hook: quotas of others wait for it.
const hookTimeout = 30 * time.Second

// quotaHook runs the operator's hook, if there is one, with the notice on its
// standard input. Nothing that a guest could have chosen is on its command line.
func (a *app) quotaHook(ctx context.Context, n operations.QuotaNotice) error {
	path := a.paths().QuotaHook()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Stdin = bytes.NewReader(append(text, '\n'))
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("hook %s: vm %s %s: %w: %s", path, n.VM, n.Event, err, strings.TrimSpace(string(out[:min(len(out), 400)])))
	}
	return nil
}
