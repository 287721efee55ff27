package doctor

import (
	"context"
	"fmt"
	"strings"

	"ispctl"
)

// State is what a check came to.
type State string

// The states. What is skipped could not be looked at, or is not for this host.
const (
	OK      State = "ok"
	Warning State = "warning"
	Failed  State = "failed"
	Skipped State = "skipped"
)

// Finding is one thing that a check found.
type Finding struct {
	Check  string `json:"check"`
	State  State  `json:"state"`
	Found  string `json:"found"`
	Why    string `json:"why"`            // it matters
	Cure   string `json:"cure,omitempty"` // the next command, or what to change
	Safe   bool   `json:"safe"`           // --fix does it: it is ours alone
	Object string `json:"object,omitempty"`
}

// Patient is a host, and what can be done to examine it.
type Patient struct {
	Model *ispctl.Model

	// Probe sends a real packet and reports whether it came through.
	Probe func(ctx context.Context, from, to ispctl.End, o ispctl.Opening, f ispctl.Family) (reached bool, detail string, err error)
	// Pending lists what a pass would do now.
	Pending func(context.Context) ([]string, error)
	// Serving reports whether the resident part runs.
	Serving func() (bool, error)
	// Unheld are limits of VMs that this host cannot hold, in a sentence each.
	Unheld func(context.Context) ([]string, error)
	// KVM is whether guests run with hardware help, and whether a device
	// pretends so.
	KVM, KVMMisleads bool

	Proc string // /proc
	Run  string // /run
}

// check is a row of the table.
type check struct {
	name string
	why  string
	find func(context.Context, *Patient) ([]Finding, error)
}

// checks are all, in the order they are made: what stands in the way of packets
// is looked for when our own is known to be in place.
var checks = []check{
	{"pending", "what is not as the database says is neither walled nor reachable as it should be", pending},
	{"forwarding", "a host that does not forward is no router", sysctlIs("net.ipv4.ip_forward", "1")},
	{"bridge filter", "bridged frames would be judged by the IP filter, ours and everybody's, as if they were routed", bridgeFilter},
	{"spoofed sources", "the larger of this and a bridge's own counts: 2 lets a guest use addresses that are routed elsewhere", looseFilter},
	{"router advertisements", "a host that forwards takes no IPv6 route from its provider unless it is told to", acceptRA},
	{"uplink", "without it there is no Internet; enslaved to a bridge, it lets guests' own MACs out, and providers lock such ports", uplink},
	{"connections", "when the kernel's table of connections is full, new ones of everybody are dropped", connections},
	{"neighbours", "when the kernel's table of neighbours is full, guests cannot be reached", neighbours},
	{"virtualisation", "without hardware help guests are ten to twenty times slower", virtualisation},
	{"confinement", "a guest that breaks out of its QEMU has what that process has", confinement},
	{"limits", "what a VM was sold is not what it has, and its neighbours pay for it", limits},
	{"clock", "a wrong clock breaks certificates, one-time passwords and bills", clock},
	{"disk", "guests whose disk cannot grow stop or lose data", disk},
	{"resident part", "what other tools take away of ours is put back only by the next command", residentPart},
	{"order of units", "a service that flushes all rules at boot takes ours, too", unitOrder},
	{"packets", "an accept of ours cannot undo a drop of somebody else's", packets},
}

// Examine makes all checks.
func Examine(ctx context.Context, p *Patient) ([]Finding, error) {
	var all []Finding
	for _, c := range checks {
		found, err := c.find(ctx, p)
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		if err != nil {
			found = append(found, Finding{State: Warning, Found: "could not be looked at: " + err.Error()})
		}
		if len(found) == 0 {
			found = []Finding{{State: OK, Found: "as it should be"}}
		}
		for _, f := range found {
			f.Check, f.Why = c.name, c.why
			all = append(all, f)
		}
	}
	return all, nil
}

// Ill reports whether anything fails.
func Ill(all []Finding) bool {
	for _, f := range all {
		if f.State == Failed {
			return true
		}
	}
	return false
}

func pending(ctx context.Context, p *Patient) ([]Finding, error) {
	changes, err := p.Pending(ctx)
	if err != nil {
		return []Finding{{State: Failed, Found: err.Error(), Cure: "ispctl converge says more"}}, nil
	}
	if len(changes) == 0 {
		return nil, nil
	}
	const few = 3
	text := strings.Join(changes[:min(few, len(changes))], "; ")
	return []Finding{{State: Failed, Found: fmt.Sprintf("%d changes pending: %s", len(changes), text), Cure: "ispctl converge", Safe: true}}, nil
}

func residentPart(_ context.Context, p *Patient) ([]Finding, error) {
	runs, err := p.Serving()
	if err != nil || runs {
		return nil, err
	}
	return []Finding{{State: Warning, Found: "ispctl serve does not run", Cure: "systemctl enable --now ispctl"}}, nil
}
