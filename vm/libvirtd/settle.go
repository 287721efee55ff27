package libvirtd

import (
	"context"
	"time"

	"libvirt.org/go/libvirt"
)

// settleTime is how long guests may take to answer a new connection. QEMU
// answers in milliseconds unless it hangs.
const settleTime = 10 * time.Second

// settle waits until the embedded driver has found out which guests of an
// earlier process still run. It does so in threads of its own, and until then
// takes every guest for alive whose status file is there. A guest that hangs
// is left behind, taken for alive: it has a process.
func settle(ctx context.Context, conn *libvirt.Connect) {
	all, err := conn.ListAllDomains(libvirt.CONNECT_LIST_DOMAINS_ACTIVE)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	done := make(chan struct{}, len(all))
	for _, dom := range all {
		go func() {
			settleOne(ctx, &dom)
			_ = dom.Free()
			done <- struct{}{}
		}()
	}
	for range all {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// settleOne waits for one guest. To read memory statistics has to wait for the
// thread that looks for it; the statistics are of no interest, nor is the error
// that a guest without a process gives.
//
// A guest that has shut down by itself meanwhile still has its process: QEMU
// keeps it (-no-shutdown) until libvirt, which comes only now, ends it.
func settleOne(ctx context.Context, dom *libvirt.Domain) {
	_, _ = dom.MemoryStats(1, 0)
	for ctx.Err() == nil {
		state, _, err := dom.GetState()
		if err != nil || state != libvirt.DOMAIN_SHUTDOWN {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
