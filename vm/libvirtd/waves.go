package libvirtd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/converge"
	"ispctl/vm"
)

// wave is the guests that are worked on at once, and how long the next wave waits
// after it.
type wave struct {
	order  int
	delay  time.Duration
	queues [][]vm.Change
}

// waves are the queues in which nothing is started, and then those in which
// something is, by the guests' orders.
func waves(queues [][]vm.Change) []wave {
	var rest wave
	var starts []wave
	for _, queue := range queues {
		i := slices.IndexFunc(queue, func(c vm.Change) bool { return c.Act == vm.Start })
		if i < 0 {
			rest.queues = append(rest.queues, queue)
			continue
		}
		d := queue[i].Domain
		at := slices.IndexFunc(starts, func(w wave) bool { return w.order == d.Order })
		if at < 0 {
			at = len(starts)
			starts = append(starts, wave{order: d.Order})
		}
		starts[at].delay = max(starts[at].delay, time.Duration(d.Delay)*time.Second)
		starts[at].queues = append(starts[at].queues, queue)
	}
	slices.SortFunc(starts, func(a, b wave) int { return cmp.Compare(a.order, b.order) })
	if len(rest.queues) > 0 {
		starts = append([]wave{rest}, starts...)
	}
	if len(starts) > 0 {
		starts[len(starts)-1].delay = 0 // nobody comes after it
	}
	return starts
}

// surge works on the guests of a wave, several at once, and then waits.
func (h *Hypervisor) surge(ctx context.Context, conn *libvirt.Connect, w wave) error {
	errs := make([]error, len(w.queues))
	slots := make(chan struct{}, parallel)
	var group sync.WaitGroup
	for i, queue := range w.queues {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[i] = h.applyAll(ctx, conn, queue)
		})
	}
	group.Wait()
	if w.delay > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(w.delay):
		}
	}
	return errors.Join(errs...)
}

// StopGuests asks guests to shut down, all at once, and ends those that have not
// within the grace. One without a process is fine.
func (h *Hypervisor) StopGuests(ctx context.Context, guests []ispctl.VM, grace time.Duration) error {
	errs := make([]error, len(guests))
	var group sync.WaitGroup
	for i, guest := range guests {
		group.Go(func() {
			err := h.running(ctx, guest.UUID, func(dom *libvirt.Domain) error {
				_ = dom.Resume() // one that stands still does not hear
				return text(h.stopWithin(ctx, dom, grace))
			})
			if err != nil && ispctl.KindOf(err) != ispctl.NotFound {
				errs[i] = &converge.Fault{Object: "vm " + string(guest.Name), Err: err}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
