package libvirtd

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/converge"
	"ispctl/vm"
)

// Hypervisor is the domains of one installation on one libvirt. Several
// goroutines may use it at once.
type Hypervisor struct {
	// Grace is how long a guest that is asked to shut down may take, before
	// it is ended as if by pulling the plug. Open sets 60 s.
	Grace time.Duration

	// LetGo is how long a guest that runs may take to let go of a disk. Open sets
	// 30 s.
	LetGo time.Duration

	// Patience is how long to wait for another process to let go of the
	// embedded driver, which only one can have. Open sets 5 s.
	Patience time.Duration

	// Ready is called for a guest that has its taps and stands still before its
	// first instruction; an error ends it. nil: nothing is left to do.
	Ready func(context.Context, vm.Domain) error

	uri   string
	paths ispctl.Paths
	inst  ispctl.Installation

	mu   sync.Mutex
	conn *libvirt.Connect

	undoShort func() error // of the embedded driver's root; nil: it never had one

	schema schema
}

var _ converge.Target[vm.State, vm.Change] = (*Hypervisor)(nil)

// Open names a libvirt: "embed", "system", or any libvirt URI, such as
// test:///default. It connects when it is first used, and again when the
// connection was lost.
func Open(uri string, paths ispctl.Paths, inst ispctl.Installation) *Hypervisor {
	if uri == "system" {
		uri = system
	}
	return &Hypervisor{Grace: time.Minute, LetGo: 30 * time.Second, Patience: 5 * time.Second, uri: uri, paths: paths, inst: inst}
}

// Close closes the connection. Guests run on. An embedded driver stays ours
// for as long as this process lives.
func (h *Hypervisor) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var short error
	if h.undoShort != nil {
		short = h.undoShort()
	}
	if h.conn == nil {
		return short
	}
	_, err := h.conn.Close()
	h.conn = nil
	return errors.Join(text(err), short)
}

// Observe reads the persistent definitions of the domains that bear our mark.
func (h *Hypervisor) Observe(ctx context.Context) (vm.State, error) {
	conn, err := h.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// Those that run without a definition, such as after a `virsh undefine` by
	// hand, and those that stand still.
	transient, err := some(conn, libvirt.CONNECT_LIST_DOMAINS_TRANSIENT)
	if err != nil {
		return nil, err
	}
	paused, err := some(conn, libvirt.CONNECT_LIST_DOMAINS_PAUSED)
	if err != nil {
		return nil, err
	}
	all, err := conn.ListAllDomains(0)
	if err != nil {
		return nil, fmt.Errorf("list domains: %w", text(err))
	}
	defer free(all)

	// Printing a domain is most of the work, and libvirt does several at once.
	found := make([]observed, len(all))
	var group sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		group.Go(func() {
			for i := w; i < len(all) && ctx.Err() == nil; i += workers {
				found[i] = h.observe(&all[i])
			}
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := vm.State{}
	for _, o := range found {
		if o.err != nil {
			return nil, o.err
		}
		if !o.ours {
			continue
		}
		d := o.domain
		if transient[d.UUID] {
			// It runs without a definition, which nobody wants.
			d = vm.Domain{Name: d.Name, UUID: d.UUID, VM: d.VM, ID: d.ID, Running: d.Running}
		}
		d.Paused = d.Running && paused[d.UUID]
		s[d.UUID] = d
	}
	return s, nil
}

type observed struct {
	domain vm.Domain
	ours   bool
	err    error
}

// observe reads one domain. One that goes meanwhile was never there.
func (h *Hypervisor) observe(dom *libvirt.Domain) observed {
	data, err := dom.GetXMLDesc(libvirt.DOMAIN_XML_INACTIVE)
	if is(err, libvirt.ERR_NO_DOMAIN) {
		return observed{}
	}
	if err != nil {
		return observed{err: fmt.Errorf("read a domain: %w", text(err))}
	}
	d, ours, err := vm.Decode([]byte(data), h.inst.Prefix)
	// Only what runs has a number; it came with the list, so this costs no
	// call to libvirtd.
	_, idle := dom.GetID()
	d.Running = idle == nil
	return observed{d, ours, err}
}

// some is the UUIDs of the domains that a filter of libvirt's lets through.
func some(conn *libvirt.Connect, filter libvirt.ConnectListAllDomainsFlags) (map[string]bool, error) {
	all, err := conn.ListAllDomains(filter)
	if err != nil {
		return nil, fmt.Errorf("list some domains: %w", text(err))
	}
	defer free(all)
	some := map[string]bool{}
	for _, dom := range all {
		uuid, err := dom.GetUUIDString()
		if err != nil {
			return nil, fmt.Errorf("read a domain: %w", text(err))
		}
		some[uuid] = true
	}
	return some, nil
}

func free(all []libvirt.Domain) {
	for _, dom := range all {
		_ = dom.Free()
	}
}

// State tells what the domain of that UUID does now: running, paused, stopped
// or crashed. A UUID without a domain of ours is an error of kind NotFound.
func (h *Hypervisor) State(ctx context.Context, uuid string) (string, error) {
	conn, err := h.connect(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	dom, err := h.own(conn, uuid)
	if err != nil {
		return "", err
	}
	defer dom.Free()
	state, reason, err := dom.GetState()
	if err != nil {
		return "", fmt.Errorf("read state of domain %s: %w", uuid, text(err))
	}
	return stateName(state, reason), nil
}

func stateName(state libvirt.DomainState, reason int) string {
	switch state {
	case libvirt.DOMAIN_PAUSED, libvirt.DOMAIN_PMSUSPENDED:
		return "paused"
	case libvirt.DOMAIN_CRASHED:
		return "crashed"
	case libvirt.DOMAIN_SHUTOFF:
		if libvirt.DomainShutoffReason(reason) == libvirt.DOMAIN_SHUTOFF_CRASHED {
			return "crashed"
		}
		return "stopped"
	}
	return "running" // or blocked, or shutting down: it has a process
}

// own finds a domain, and makes sure that it bears our mark now, whatever was
// seen before. The caller frees it.
func (h *Hypervisor) own(conn *libvirt.Connect, uuid string) (*libvirt.Domain, error) {
	dom, err := conn.LookupDomainByUUIDString(uuid)
	if is(err, libvirt.ERR_NO_DOMAIN) {
		return nil, &ispctl.Error{Kind: ispctl.NotFound, Object: "domain " + uuid, Cause: "not found", Err: text(err)}
	}
	if err != nil {
		return nil, fmt.Errorf("look up domain %s: %w", uuid, text(err))
	}
	o := h.observe(dom)
	if o.err == nil && !o.ours {
		name, _ := dom.GetName()
		o.err = &ispctl.Error{
			Kind: ispctl.Conflict, Object: "domain " + name, Cause: "has the UUID " + uuid + " and does not bear our mark",
			Next: "look at `virsh dumpxml " + name + "`; rename or undefine it",
		}
	}
	if o.err != nil {
		return nil, errors.Join(o.err, text(dom.Free()))
	}
	return dom, nil
}
