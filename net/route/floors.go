package route

import (
	"maps"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Tables that all guests share are sized for them. Who has set one larger knows
// why; it is never made smaller. They are the host's: in a network namespace
// they cannot be set, and are not looked at.
const (
	// neighbours is how many guests and legs the host may know the MAC of:
	// from gc_thresh2 on the kernel forgets, at gc_thresh3 it refuses
	// ("neighbour: arp_cache: neighbor table overflow!", ip-sysctl).
	neighbours = 32768

	// memoryPerConnection is what a tracked connection is allotted: fifty times
	// of what it takes.
	memoryPerConnection = 16 << 10

	leastConnections, mostConnections = 262144, 4 << 20
)

// floors are the sysctls that have to be at least that much, on a host with as
// much memory.
func floors(memory uint64) map[string]int {
	tracked := int(min(max(memory/memoryPerConnection, leastConnections), mostConnections))
	f := map[string]int{
		"net.netfilter.nf_conntrack_max":     tracked,
		"net.netfilter.nf_conntrack_buckets": tracked / 4,
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		for i, n := range []int{neighbours / 4, neighbours / 2, neighbours} {
			f["net."+family+".neigh.default.gc_thresh"+strconv.Itoa(i+1)] = n
		}
	}
	return f
}

// hostFloors are those of this host. Its memory does not change.
var hostFloors = sync.OnceValue(func() map[string]int {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return floors(0)
	}
	return floors(uint64(info.Totalram) * uint64(info.Unit))
})

// allSysctls are the sysctls as wanted.
func allSysctls() Sysctls {
	all := maps.Clone(sysctls)
	for key, n := range hostFloors() {
		all[key] = strconv.Itoa(n)
	}
	return all
}

// settled is what a sysctl counts as: what is wanted, if it is more than that.
func settled(key, value, wanted string) string {
	floor, is := hostFloors()[key]
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if is && err == nil && n >= floor {
		return wanted
	}
	return strings.TrimSpace(value)
}
