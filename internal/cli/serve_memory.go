package cli

import (
	"context"
	"log"
	"time"

	"ispctl"
	"ispctl/operations"
	"ispctl/state"
	"ispctl/vm/libvirtd"
)

// How often the host's memory is looked at, and how long it is left alone when
// there was nothing to be had.
const (
	memoryEvery = 5 * time.Second
	memoryRest  = time.Minute
)

// memoryTask is the task that moves memory between guests and the host. The
// hypervisor is a child's.
func (a *app) memoryTask(inst ispctl.Installation, say *log.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		if !libvirtd.Open(inst.Hypervisor, a.paths(), inst).CanBalloon() {
			return nil
		}
		store, err := state.Open(ctx, inst, a.paths())
		if err != nil {
			return err
		}
		defer store.Close() //nolint:errcheck // nothing of it is lost
		k := operations.MemoryKeeper{
			Store: store, Pressure: hostMemory, Every: memoryEvery, Rest: memoryRest,
			Balance: func(ctx context.Context) error { return a.child(ctx, say, "qos", "balance") },
		}
		return k.Keep(ctx)
	}
}
