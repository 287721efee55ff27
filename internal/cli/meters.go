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
		all := map[meter.Source]*meter.Counts{}
		var room []meter.Counts // which those in all are in: one piece of memory for most of them
		of := func(s meter.Source) *meter.Counts {
			c := all[s]
			if c == nil {
				if len(room) == cap(room) {
					room = make([]meter.Counts, 0, 64) // those before stay where they are
				}
				room = append(room, meter.Counts{})
				c = &room[len(room)-1]
				all[s] = c
			}
			return c
		}
		err := count.Each(ctx, inst, edge, count.Visitor{
			Size: func(n int) { all, room = make(map[meter.Source]*meter.Counts, n+n/8), make([]meter.Counts, 0, n+n/8) },
			Tap: func(name string, class count.Class, in bool, w count.Way) {
				put(&of(meter.Source(name))[classes[class]], in, w)
			},
			Address: func(a netip.Addr, in bool, w count.Way) { put(&of(meter.Source(a.String()))[meter.Internet], in, w) },
		})
		return all, err
	}
}

// classes are those of meter, by the kernel's.
var classes = [...]meter.Class{count.Internet: meter.Internet, count.Zones: meter.Zones, count.Near: meter.Near}

func put(p *meter.Pair, in bool, w count.Way) {
	if in {
		p.In = meter.Way{Bytes: w.Bytes, Packets: w.Packets}
	} else {
		p.Out = meter.Way{Bytes: w.Bytes, Packets: w.Packets}
	}
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
