package ispctl

import "slices"

// DefaultShares is the weight of a guest that has none of its own.
const DefaultShares = 100

// CPUWeights are the weights of all guests, by VM id, on a host with so many
// CPUs, in hundredths of a CPU: when all want more than there is, a weight is
// what its guest gets. One with a guarantee has it as its weight, and its shares
// come on top. What is left of the host is what shares are of: where they come
// to more, all are halved until they do not, so that a guest more or less
// changes nobody else's weight but now and then.
func (m *Model) CPUWeights(cpus int) map[int64]int64 {
	plans := byName(m.Plans, func(p Plan) Name { return p.Name })
	guests := slices.Collect(m.Guests())
	limits := make([]Limits, len(guests))
	left, shares := int64(cpus)*100, int64(0)
	for i, vm := range guests {
		limits[i] = vm.Limits.Over(plans[vm.Plan].Limits)
		left -= int64(limits[i].CPUGuarantee)
		shares += limits[i].shares()
	}
	halvings := 0
	for shares>>halvings > max(left, int64(len(guests))) {
		halvings++
	}
	weights := make(map[int64]int64, len(guests))
	for i, vm := range guests {
		weights[vm.ID] = int64(limits[i].CPUGuarantee) + max(limits[i].shares()>>halvings, 1)
	}
	return weights
}

func (l Limits) shares() int64 {
	if l.CPUShares == 0 {
		return DefaultShares
	}
	return l.CPUShares
}
