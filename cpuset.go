package ispctl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// CPUSet is CPUs of the host as the kernel lists them (cpuset(7), "List
// format"): ascending, in ranges that are as long as can be, "0-3,8". Empty: all;
// in a VM's limits "none" lifts that of its plan.
type CPUSet string

// maxHostCPUs is how many a kernel is built for at most.
const maxHostCPUs = 8192

// ParseCPUSet reads "0-3,8" in any order.
func ParseCPUSet(s string) (CPUSet, error) {
	var all []int
	for part := range strings.SplitSeq(s, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			high = low
		}
		first, errLow := strconv.ParseUint(low, 10, 16)
		last, errHigh := strconv.ParseUint(high, 10, 16)
		switch {
		case errLow != nil || errHigh != nil:
			return "", Invalid("set of CPUs", s, "is not written as 0-3,8")
		case first > last:
			return "", Invalid("set of CPUs", s, "has a range that ends before it begins")
		case last >= maxHostCPUs:
			return "", Invalid("set of CPUs", s, "has a CPU beyond %d", maxHostCPUs-1)
		}
		for n := int(first); n <= int(last); n++ {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	var ranges []string
	for i := 0; i < len(all); {
		j := i
		for j+1 < len(all) && all[j+1] == all[j]+1 {
			j++
		}
		if i == j {
			ranges = append(ranges, strconv.Itoa(all[i]))
		} else {
			ranges = append(ranges, fmt.Sprintf("%d-%d", all[i], all[j]))
		}
		i = j + 1
	}
	return CPUSet(strings.Join(ranges, ",")), nil
}

// CPUs are the numbers in the set; none of the empty one, and of "none".
func (c CPUSet) CPUs() []int {
	if c == "" || c == noneWord {
		return nil
	}
	var all []int
	for part := range strings.SplitSeq(string(c), ",") {
		low, high, ranged := strings.Cut(part, "-")
		if !ranged {
			high = low
		}
		first, errLow := strconv.Atoi(low)
		last, errHigh := strconv.Atoi(high)
		if errLow != nil || errHigh != nil {
			return nil
		}
		for n := first; n <= last; n++ {
			all = append(all, n)
		}
	}
	return all
}

// Len is how many CPUs are in the set.
func (c CPUSet) Len() int { return len(c.CPUs()) }
