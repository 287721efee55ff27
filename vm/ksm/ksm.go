package ksm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ispctl"
	"ispctl/converge"
)

// Layer is the name of the layer.
const Layer = "ksm"

// State is whether pages are merged because we want it.
type State struct {
	On    bool
	Stale bool // we wanted it, and others turned it off
}

// Len is the number of switches that are ours.
func (s State) Len() int {
	if s.On {
		return 1
	}
	return 0
}

// Desired is on where a zone with a guest lets its guests share pages.
func Desired(absent bool) func(*ispctl.Model) (State, error) {
	return func(m *ispctl.Model) (State, error) {
		if absent {
			return State{}, nil
		}
		for vm := range m.Guests() {
			if zone, err := m.Zone(string(vm.Zone)); err == nil && zone.KSM {
				return State{On: true}, nil
			}
		}
		return State{}, nil
	}
}

// Change turns the switch.
type Change struct{ On bool }

// Kind is Prune for what is wanted no more.
func (c Change) Kind() converge.Kind {
	if c.On {
		return converge.Ensure
	}
	return converge.Prune
}

// The values of the switch.
const (
	stopped  = "0"
	merging  = "1"
	unmerged = "2" // stopped, and what was merged is no more
)

// String is the command of a shell that does the same.
func (c Change) String() string {
	value := unmerged
	if c.On {
		value = merging
	}
	return "echo " + value + " >/sys/kernel/mm/ksm/run"
}

// Diff lists what makes have into want.
func Diff(want, have State) []Change {
	if want == have {
		return nil
	}
	return []Change{{On: want.On}}
}

// Kernel is the switch of this host.
type Kernel struct {
	run  string // the kernel's file
	mark string // ours: that it is wanted, and who turned it on
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// New is the switch in a directory of the kernel's, and a directory for our mark:
// one that does not outlive a boot, as the switch does not either.
func New(sys, run string) *Kernel {
	return &Kernel{filepath.Join(sys, "kernel", "mm", "ksm", "run"), filepath.Join(run, "ksm")}
}

// Here reports whether the kernel can merge pages.
func (k *Kernel) Here() bool {
	_, err := os.Stat(k.run)
	return err == nil
}

// Observe reads the switch, and whether it is ours.
func (k *Kernel) Observe(context.Context) (State, error) {
	value, err := k.read()
	if err != nil {
		return State{}, err
	}
	wanted, err := k.marked()
	return State{On: wanted && value == merging, Stale: wanted && value != merging}, err
}

func (k *Kernel) read() (string, error) {
	data, err := os.ReadFile(k.run)
	if errors.Is(err, fs.ErrNotExist) {
		return stopped, nil // a kernel without it merges nothing
	}
	return strings.TrimSpace(string(data)), err
}

func (k *Kernel) marked() (bool, error) {
	_, err := os.Stat(k.mark)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// What the mark says: who turned the switch on.
const (
	ours   = "ours\n"
	others = "others\n"
)

// Apply carries out changes. The mark comes before the switch, and goes after it:
// cut off in between, the next pass goes on.
func (k *Kernel) Apply(ctx context.Context, changes []Change) error {
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		do := k.off
		if c.On {
			do = k.on
		}
		if err := do(); err != nil {
			// A fault of its own: guests run without it.
			return &converge.Fault{Object: "ksm", Err: fmt.Errorf("%s: %w", c, err)}
		}
	}
	return nil
}

func (k *Kernel) on() error {
	if !k.Here() {
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: "ksm", Cause: "this kernel cannot merge pages (CONFIG_KSM)",
			Next: "turn it off: ispctl zone set ZONE --ksm=false",
		}
	}
	value, err := k.read()
	if err != nil {
		return err
	}
	if value == merging {
		already, err := k.marked()
		if err != nil || already {
			return err
		}
		return os.WriteFile(k.mark, []byte(others), 0o600)
	}
	if err := os.MkdirAll(filepath.Dir(k.mark), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(k.mark, []byte(ours), 0o600); err != nil {
		return err
	}
	return k.turn(merging)
}

func (k *Kernel) off() error {
	data, err := os.ReadFile(k.mark)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	value, err := k.read()
	if err != nil {
		return err
	}
	if string(data) == ours && value == merging {
		if err := k.turn(unmerged); err != nil {
			return err
		}
	}
	return os.Remove(k.mark)
}

func (k *Kernel) turn(value string) error {
	f, err := os.OpenFile(k.run, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
