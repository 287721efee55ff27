package cli

import (
	"context"
	"sync"

	"ispctl"
	"ispctl/operations"
	"ispctl/qos"
	"ispctl/vm"
)

// shaping is the layer of queues, which is needed twice: before the guest has
// its taps, and again when libvirt has started it, since that puts a root of its
// own on them.
type shaping struct {
	kernel *qos.Kernel

	mu   sync.Mutex
	want qos.State
}

// desired is [qos.Desired], and remembers what it said.
func (s *shaping) desired(m *ispctl.Model) (qos.State, error) {
	want, err := qos.Desired(means())(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = want
	return want, err
}

// means are looked up once: the kernel stays as it is.
var means = sync.OnceValue(func() qos.Means {
	return qos.Means{Leaf: sync.OnceValue(qos.BestLeaf), Crowds: sync.OnceValue(qos.CanCrowd)}
})

// fallbacks are the means that the kernel lacks, for [operations.Provider].
func fallbacks() []operations.Fallback { return fallbacksOf(means()) }

func fallbacksOf(m qos.Means) []operations.Fallback {
	var all []operations.Fallback
	if leaf := m.Leaf(); leaf != qos.FQCodel {
		all = append(all, operations.Fallback{
			Lacks: string(qos.FQCodel), Instead: string(leaf) + " in its place",
			Means: "one flow of a VM delays its others, by a tenth of a second at most where the VM is at its limit",
		})
	}
	if !m.Crowds() {
		all = append(all, operations.Fallback{
			Lacks: "shapers in the queues of an interface (mq, tbf, eBPF)", Instead: "classes per VM in their place",
			Means: "rates are the same; thousands of VMs take a minute to shape",
		})
	}
	return all
}

// again shapes the taps of a guest that stands still and is about to go on. One
// guest at a time, for the queues have one socket.
func (s *shaping) again(ctx context.Context, d vm.Domain) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	taps := make([]string, len(d.NICs))
	for i, nic := range d.NICs {
		taps[i] = nic.Tap
	}
	return s.kernel.Apply(ctx, qos.Rerooted(s.want, taps))
}
