package cgroup

import (
	"strconv"

	"ispctl"
)

// Layer is the name of the layer.
const Layer = "cgroups"

// State is the groups of ours by their path below the root of the hierarchies:
// "ispctl-isp", which holds the others, and "ispctl-isp/3".
type State map[string]Group

// Len is the number of groups.
func (s State) Len() int { return len(s) }

// Group is what the processes of a guest are held to.
type Group struct {
	VM         ispctl.Name
	Weight     int64          // in hundredths of a CPU, where all want more than there is
	Ceiling    ispctl.Percent // of one CPU; 0: none
	CPUs       ispctl.CPUSet  // empty: all
	DiskWeight int64          // 0: the kernel's own
	Astray     bool           // a process of the guest is not in it
}

// Parent is the group that holds those of an installation's guests. One that
// lives in a network namespace shares its prefix with others, but not that.
func Parent(inst ispctl.Installation) string {
	if inst.NetNS == "" {
		return "ispctl-" + inst.Prefix
	}
	return "ispctl-" + inst.Prefix + "@" + inst.NetNS
}

// Of is the group of a VM.
func Of(inst ispctl.Installation, vm int64) string {
	return Parent(inst) + "/" + strconv.FormatInt(vm, 10)
}

// Desired derives the groups of every guest that is to exist, of a host that
// has what it has.
func Desired(h Host) func(*ispctl.Model) (State, error) {
	return func(m *ispctl.Model) (State, error) {
		s := State{}
		if !h.Any() {
			return s, nil
		}
		weights := m.CPUWeights(h.CPUs)
		for vm := range m.Guests() {
			l := m.LimitsOf(vm)
			g := Group{VM: vm.Name}
			if h.CPU.there() {
				g.Weight, g.Ceiling = clampWeight(weights[vm.ID]), l.CPUCeiling
			}
			if h.CPUSet.there() && l.CPUPin != h.AllCPUs {
				g.CPUs = l.CPUPin
			}
			if h.Disk.there() && l.DiskWeight != ispctl.DefaultShares {
				g.DiskWeight = l.DiskWeight
			}
			s[Of(m.Installation, vm.ID)] = g
		}
		if len(s) > 0 {
			parent := Group{}
			if h.CPU.there() {
				parent.Weight = clampWeight(int64(h.CPUs) * 100)
			}
			s[Parent(m.Installation)] = parent
		}
		return s, nil
	}
}

// maxWeight is the largest of version 2; version 1 has more.
const maxWeight = 10_000

func clampWeight(n int64) int64 { return min(max(n, 1), maxWeight) }
