package libvirtd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/converge"
	"ispctl/vm"
)

// parallel is how many guests are worked on at once: to stop one is mostly to
// wait for it.
const parallel = 8

// Apply carries out changes: those to one guest in order, and several guests
// at once, as far as their start has no order. After a change that fails the later ones to the same guest are left
// out.
func (h *Hypervisor) Apply(ctx context.Context, changes []vm.Change) error {
	if len(changes) == 0 {
		return nil
	}
	conn, err := h.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	queues := byGuest(changes)
	var errs []error
	for _, w := range waves(queues) {
		errs = append(errs, h.surge(ctx, conn, w))
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// byGuest splits changes by guest, in the order of the guests' first ones.
func byGuest(changes []vm.Change) [][]vm.Change {
	var queues [][]vm.Change
	index := map[string]int{}
	for _, c := range changes {
		i, seen := index[c.Domain.UUID]
		if !seen {
			i = len(queues)
			index[c.Domain.UUID] = i
			queues = append(queues, nil)
		}
		queues[i] = append(queues[i], c)
	}
	return queues
}

func (h *Hypervisor) applyAll(ctx context.Context, conn *libvirt.Connect, changes []vm.Change) error {
	for _, c := range changes {
		if ctx.Err() != nil {
			return nil // Apply says so, once
		}
		if err := h.apply(ctx, conn, c); err != nil {
			return &converge.Fault{Object: c.Domain.Object(), Err: fmt.Errorf("%s: %w", c, text(err))}
		}
	}
	return nil
}

func (h *Hypervisor) apply(ctx context.Context, conn *libvirt.Connect, c vm.Change) error {
	dom, err := h.own(conn, c.Domain.UUID)
	gone := is(err, libvirt.ERR_NO_DOMAIN)
	if err != nil && !gone {
		return err
	}
	if !gone {
		defer dom.Free()
	}
	switch {
	case c.Act == vm.Define:
		return h.define(conn, c.Domain)
	case gone && (c.Act == vm.Start || c.Act == vm.Pause || c.Act == vm.Resume):
		return err
	case gone:
		return nil
	case c.Act == vm.Tune:
		return tune(dom, c)
	case c.Plugs():
		return h.plug(ctx, dom, c)
	case c.Act == vm.Start:
		return h.start(ctx, dom, c.Domain)
	case c.Act == vm.Stop:
		return h.stop(ctx, dom)
	case c.Act == vm.Kill:
		return destroy(dom)
	case c.Act == vm.Undefine:
		return h.forget(dom, c.Domain.Name)
	case c.Act == vm.Pause:
		return dom.Suspend()
	case c.Act == vm.Resume:
		return dom.Resume()
	}
	return h.remove(dom, c.Domain.Name)
}

// define writes a persistent definition.
func (h *Hypervisor) define(conn *libvirt.Connect, d vm.Domain) error {
	xml, err := vm.Render(d, h.inst.Prefix)
	if err != nil {
		return err
	}
	dom, err := h.schema.define(conn, xml)
	if err == nil {
		return dom.Free()
	}
	if other, lookup := conn.LookupDomainByName(d.Name); lookup == nil {
		defer other.Free()
		if uuid, lookup := other.GetUUIDString(); lookup == nil && uuid != d.UUID {
			return &ispctl.Error{
				Kind: ispctl.Conflict, Object: "domain " + d.Name, Cause: "is defined with uuid " + uuid, Err: text(err),
				Next: "look at `virsh dumpxml " + d.Name + "`; rename or undefine it",
			}
		}
	}
	return err
}

// startTries is how often a start is tried that the system refuses. The child of
// a starter that was killed has the guest's tap until it sees that it is alone.
const startTries = 4

// start lets a guest boot. libvirt replaces the queueing of its taps on the way,
// so it is started to stand still, and goes on once all is ready for it: cut off
// in between, the next pass finds it paused and its taps bare.
func (h *Hypervisor) start(ctx context.Context, dom *libvirt.Domain, d vm.Domain) error {
	flags := libvirt.DOMAIN_NONE
	if h.Ready != nil {
		flags = libvirt.DOMAIN_START_PAUSED
	}
	if h.uri == system && d.UID > 0 {
		if err := letThrough(driverDir); err != nil {
			return err
		}
	}
	created, err := create(ctx, dom, flags)
	if err != nil {
		return errors.Join(barred(d.Disk), text(err))
	}
	if !created || h.Ready == nil {
		return nil
	}
	if err := h.Ready(ctx, d); err != nil {
		return errors.Join(err, text(destroy(dom)))
	}
	if d.Type == vm.Xen && d.Tuning != (vm.Tuning{}) {
		if err := schedule(dom, d.Tuning); err != nil {
			return errors.Join(text(err), text(destroy(dom)))
		}
	}
	if d.Paused {
		return nil
	}
	return dom.Resume()
}

// create reports false for a guest that was running already.
func create(ctx context.Context, dom *libvirt.Domain, flags libvirt.DomainCreateFlags) (bool, error) {
	if active, err := dom.IsActive(); err != nil || active {
		return false, err
	}
	err := dom.CreateWithFlags(flags)
	for try := 1; try < startTries && is(err, libvirt.ERR_SYSTEM_ERROR) && ctx.Err() == nil; try++ {
		time.Sleep(childTime)
		err = dom.CreateWithFlags(flags)
	}
	// Somebody else may have been faster.
	if is(err, libvirt.ERR_OPERATION_INVALID) {
		if active, _ := dom.IsActive(); active {
			return false, nil
		}
	}
	return err == nil, err
}

// The intervals at which a guest that is shutting down is looked at, and asked
// once more: one that is still booting does not hear the first time.
const (
	lookEvery = 100 * time.Millisecond
	askEvery  = 2 * time.Second
)

// stop asks a guest to shut down, by ACPI, and ends it when it has not done so
// within the grace.
func (h *Hypervisor) stop(ctx context.Context, dom *libvirt.Domain) error {
	return h.stopWithin(ctx, dom, h.Grace)
}

func (h *Hypervisor) stopWithin(ctx context.Context, dom *libvirt.Domain, within time.Duration) error {
	look, ask, grace := time.NewTicker(lookEvery), time.NewTicker(askEvery), time.NewTimer(within)
	defer look.Stop()
	defer ask.Stop()
	defer grace.Stop()
	asked := false
	for {
		active, err := dom.IsActive()
		if err != nil || !active {
			return unlessGone(err)
		}
		if !asked {
			// A guest that cannot be asked is ended when its time is up.
			_ = dom.ShutdownFlags(h.shutdownFlags())
			asked = true
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-grace.C:
			return destroy(dom)
		case <-ask.C:
			asked = false
		case <-look.C:
		}
	}
}

// destroy ends a guest. The embedded driver, while it still looks for the
// guests of an earlier process, ends one and then says that it does not run.
func destroy(dom *libvirt.Domain) error {
	err := dom.Destroy()
	if is(err, libvirt.ERR_OPERATION_INVALID) {
		active, lookup := dom.IsActive()
		if lookup == nil && !active {
			return nil
		}
	}
	return unlessGone(err)
}

// remove ends a guest, and forgets what libvirt keeps of it, but not its disks.
func (h *Hypervisor) remove(dom *libvirt.Domain, name string) error {
	active, err := dom.IsActive()
	if err == nil && active {
		err = destroy(dom)
	}
	if err != nil {
		return unlessGone(err)
	}
	return h.forget(dom, name)
}

// forget drops the definition, with what libvirt keeps of the domain.
func (h *Hypervisor) forget(dom *libvirt.Domain, name string) error {
	// The definition goes last: for as long as it is there, the next pass
	// comes back for the rest.
	if h.uri == embed {
		if err := os.Remove(filepath.Join(h.paths.Embed(), "log", "qemu", name+".log")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove QEMU's log: %w", err)
		}
	}
	return unlessGone(dom.UndefineFlags(h.undefineFlags()))
}

// unlessGone forgives that there is no such domain any more.
func unlessGone(err error) error {
	if is(err, libvirt.ERR_NO_DOMAIN) {
		return nil
	}
	return err
}
