package ispctl_test

import (
	"fmt"
	"slices"
	"testing"

	"ispctl"
)

func TestParseCPUSet(t *testing.T) {
	for text, want := range map[string]ispctl.CPUSet{"0": "0", "0-3,8": "0-3,8", "8, 1,0,2,3,3": "0-3,8", "4-4": "4", "0,1": "0-1"} {
		got, err := ispctl.ParseCPUSet(text)
		if err != nil || got != want {
			t.Errorf("%s: want %s, have %s, %v", text, want, got, err)
		}
		if again, err := ispctl.ParseCPUSet(string(got)); err != nil || again != got {
			t.Errorf("%s is read as %s, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "a", "3-1", "0-", "-1", "0-99999", "9000", "1,,2", "0x1"} {
		if got, err := ispctl.ParseCPUSet(text); err == nil || ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%s: have %s, %v", text, got, err)
		}
	}
	if n := ispctl.CPUSet("0-3,8").CPUs(); !slices.Equal(n, []int{0, 1, 2, 3, 8}) {
		t.Errorf("have %v", n)
	}
}

// TestPinIsALimit: it is written, lifted and left to the plan as the others are.
func TestPinIsALimit(t *testing.T) {
	table := ispctl.LimitTable()
	pin := table[slices.IndexFunc(table, func(f ispctl.Limit) bool { return f.Name == "cpu-pin" })]
	var plan, vm ispctl.Limits
	if err := pin.Set(&plan, "1,0"); err != nil || plan.CPUPin != "0-1" || pin.Text(plan) != "0-1" || plan.String() != "cpu-pin 0-1" {
		t.Errorf("%+v, %v", plan, err)
	}
	if vm.Over(plan).CPUPin != "0-1" {
		t.Error("the plan's does not stand")
	}
	if err := pin.Override(&vm, "none"); err != nil || vm.Over(plan).CPUPin != "" || pin.Text(vm) != "none" {
		t.Errorf("%+v, %v", vm, err)
	}
	if err := pin.Override(&vm, "7"); err != nil || vm.Over(plan).CPUPin != "7" {
		t.Errorf("%+v, %v", vm, err)
	}
	if err := pin.Override(&vm, "plan"); err != nil || vm != (ispctl.Limits{}) {
		t.Errorf("%+v, %v", vm, err)
	}
	if err := pin.Set(&plan, "x"); err == nil {
		t.Error("x is taken")
	}
}

// TestCPUWeights: whoever is promised CPU time has it whatever the others' shares
// are, and a guest more changes the others' weights seldom.
func TestCPUWeights(t *testing.T) {
	m := &ispctl.Model{Plans: []ispctl.Plan{{Name: "p", CPUs: 2}, {Name: "sold", CPUs: 2, Limits: ispctl.Limits{CPUGuarantee: 80}}}}
	const cpus = 2
	changes, before := 0, map[int64]int64{}
	for n := int64(1); n <= 200; n++ {
		vm := ispctl.VM{ID: n, Name: ispctl.Name(fmt.Sprint("vm", n)), Plan: "p", Wanted: ispctl.Running}
		if n == 1 {
			vm.Plan = "sold"
		}
		vm.Limits.CPUShares = 10 * (n % 7)
		m.VMs = append(m.VMs, vm)
		got := m.CPUWeights(cpus)
		for id, w := range got {
			if was, there := before[id]; there && was != w {
				changes++
				break
			}
		}
		total := int64(0)
		for _, w := range got {
			total += w
		}
		if share := float64(got[1]) / float64(total) * cpus * 100; n < 100 && share < 80*0.95 {
			t.Errorf("%d guests: the one that is promised 80%% gets %.0f%%", n, share)
		}
		before = got
	}
	if changes > 8 {
		t.Errorf("200 guests more changed the weights of others %d times", changes)
	}
}
