package ksm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
)

var inst = ispctl.Installation{Prefix: "isp", Hypervisor: "embed"}

// models are those of every layer, where some zones let their guests share pages.
func models() []*ispctl.Model {
	all := convergetest.Models(inst, ispctl.Paths{})
	for _, zone := range []int{0, 1} {
		m := convergetest.Models(inst, ispctl.Paths{})[2]
		m.Zones[zone].KSM = true
		all = append(all, m)
	}
	return all
}

// kernel is a switch in a directory, as the kernel has it.
func kernel(t *testing.T, value string) *Kernel {
	t.Helper()
	k := New(t.TempDir(), filepath.Join(t.TempDir(), "run"))
	if err := errors.Join(os.MkdirAll(filepath.Dir(k.run), 0o755), os.WriteFile(k.run, []byte(value+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLaws(t *testing.T) {
	k := kernel(t, stopped)
	convergetest.Laws(t, convergetest.Suite[State, Change]{
		Models: models(), Desired: Desired(false), Diff: Diff, Target: k, Passes: 200,
		Foreign: func() string {
			entries, err := os.ReadDir(filepath.Dir(k.run))
			if err != nil || len(entries) != 1 {
				t.Fatal(entries, err)
			}
			return "the other files of the switch"
		},
	})
}

// TestWhoseItIs: what others turned on stays on, what we did goes off with the
// last zone that wants it, and what others turn off meanwhile is turned on again.
func TestWhoseItIs(t *testing.T) {
	want, none := State{On: true}, State{}
	pass := func(k *Kernel, s State) string {
		t.Helper()
		have, err := k.Observe(t.Context())
		if err == nil {
			err = k.Apply(t.Context(), Diff(s, have))
		}
		if err != nil {
			t.Fatal(err)
		}
		value, err := k.read()
		if err != nil {
			t.Fatal(err)
		}
		if have, err := k.Observe(t.Context()); err != nil || have != s {
			t.Errorf("observed %v, %v, want %v", have, err, s)
		}
		return value
	}
	theirs := kernel(t, merging)
	if err := os.MkdirAll(filepath.Dir(theirs.mark), 0o755); err != nil {
		t.Fatal(err)
	}
	if on, off := pass(theirs, want), pass(theirs, none); on != merging || off != merging {
		t.Errorf("theirs: %s, then %s", on, off)
	}
	mine := kernel(t, stopped)
	if on, off := pass(mine, want), pass(mine, none); on != merging || off != unmerged {
		t.Errorf("mine: %s, then %s", on, off)
	}
	pass(theirs, want)
	if err := theirs.turn(stopped); err != nil {
		t.Fatal(err)
	}
	if have, err := theirs.Observe(t.Context()); err != nil || have != (State{Stale: true}) {
		t.Errorf("turned off by others: %v, %v", have, err)
	}
	if off := pass(theirs, none); off != stopped {
		t.Errorf("turned off by others, and wanted no more: %s", off)
	}
	if on, off := pass(theirs, want), pass(theirs, none); on != merging || off != unmerged {
		t.Errorf("turned off by others meanwhile: %s, then %s", on, off)
	}
}

// TestLacking: a kernel that cannot says so, and one in which nobody wants it is
// left alone.
func TestLacking(t *testing.T) {
	k := New(t.TempDir(), t.TempDir())
	if have, err := k.Observe(t.Context()); err != nil || have != (State{}) || k.Here() {
		t.Errorf("%v, %v", have, err)
	}
	err := k.Apply(t.Context(), []Change{{On: true}})
	if ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), "CONFIG_KSM") {
		t.Errorf("%v", err)
	}
	if err := k.Apply(t.Context(), []Change{{On: false}}); err != nil {
		t.Error(err)
	}
	for _, m := range models() {
		if s, err := Desired(true)(m); err != nil || s.On {
			t.Errorf("in a namespace: %v, %v", s, err)
		}
	}
}
