// Package operations is what the commands do: one function per operation on
// intent. Each takes the host lock, changes intent in one transaction, and
// converges. The command line parses and prints around them; an HTTP API would
// call the same functions.
package operations

import (
	"context"
	"time"

	"ispctl"
	"ispctl/converge"
	"ispctl/images"
	"ispctl/state"
	"ispctl/templates"
	"ispctl/vpn/keys"
)

// Hypervisor is what runs guests, beside what its layer does.
type Hypervisor interface {
	// State is running, paused, stopped or crashed.
	State(ctx context.Context, uuid string) (string, error)
	// Console is the path of the terminal its serial port is at; empty: none.
	Console(ctx context.Context, uuid string) (string, error)
	// StopGuests asks guests to shut down, all at once, and ends those that have
	// not in time. One that does not run is fine.
	StopGuests(ctx context.Context, guests []ispctl.VM, within time.Duration) error
}

// Provider is one installation with all that its operations need. The command
// line opens one; nothing in it is a global.
type Provider struct {
	Store       *state.Store
	Layers      []converge.Layer
	Hypervisor  Hypervisor
	Agent       Agent                                               // of guests
	DomainType  string                                              // what runs the guests: kvm, qemu (without hardware help), xen, test
	Drops       func(context.Context, *ispctl.Model) (Drops, error) // what walls and shapers dropped of guests
	Traffic     Traffic                                             // nil: what is used now is not known
	Host        HostFacts
	Ballooner   Ballooner // nil: what guests have of memory is fixed
	Pressure    func() (ispctl.HostMemory, error)
	Uses        func([]ispctl.VM) (map[int64]GuestUse, error) // what processes of guests have used so far; nil: it is not known
	Fallbacks   func() []Fallback                             // what is done in another way than it would be best; nil: nothing
	Unheld      func() map[string]string                      // limits that this host cannot hold, by name, and why; nil: it holds all
	CheckGuests func(*ispctl.Model) error                     // what the hypervisor cannot give a guest; nil: it can give all
	CheckTrunk  TrunkCheck                                    // nil: any interface will do
	Images      *images.Store
	Templates   templates.Set
	Paths       ispctl.Paths

	Serving func() (pid int, running bool, err error) // the resident part; nil: nobody can tell

	Counters  Counters                                    // nil: nothing is metered
	OpenUsage func(context.Context) (*state.Usage, error) // once for all who ask
	Notify    func(context.Context, QuotaNotice) error    // tells of a quota; nil: nobody

	VPNKeys   *keys.Store
	VPNDevice VPNDevice // nil: nobody can tell

	Clock  Clock
	Guards Guards // nil: no change can await its confirmation

	only     ispctl.Name   // the tenant whose VMs alone there are, see [Provider.For]; empty: all are
	Actor    string        // who asks, for the journal
	Caller   Connection    // by which the caller is here; zero: not by SSH
	Probe    Prober        // nil: no packet can be sent
	Rehearse Rehearsal     // nil: only the model is asked whether it would be cut
	LockWait time.Duration // how long to wait for another ispctl
	Progress func(Progress)
}

// Progress is one step of something that takes time.
type Progress struct {
	Object string // `vm web1`; may be empty
	Phase  string // disk, network, boot, ssh, packages, ...
	Text   string
	Done   bool
	Took   time.Duration // of a phase that is done
}

func (p *Provider) progress(e Progress) {
	if p.Progress != nil {
		p.Progress(e)
	}
}

// Options are common to the operations that change something.
type Options struct {
	DryRun  bool          // find out what it would take, and change nothing
	Confirm time.Duration // take the change back after this time unless it is confirmed; 0: it stands
	Force   bool          // change walls even if that cuts the caller off
	CutOff  []string      // VMs that are ended at once when they are to stop, and not asked to
}

// Result is what an operation came to.
type Result struct {
	Intent  []string          // what changed in intent, a line each
	Changes []converge.Change // what was, or under DryRun would be, done to the host
	Pending *PendingView      // what awaits its confirmation; nil: nothing
}

// Changed reports whether there was anything to do.
func (r Result) Changed() bool { return len(r.Intent)+len(r.Changes) > 0 }

// lock takes the host lock.
func (p *Provider) lock(ctx context.Context) (func() error, error) {
	return state.Lock(ctx, p.Paths, p.LockWait)
}
