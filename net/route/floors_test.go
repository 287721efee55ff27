package route

import (
	"strconv"
	"testing"

	"ispctl"
	"ispctl/internal/testkit"
)

// TestFloors: by memory, within bounds, and rising as the kernel wants them.
func TestFloors(t *testing.T) {
	for memory, want := range map[uint64]int{0: 262144, 2 << 30: 262144, 16 << 30: 1 << 20, 1 << 40: 4 << 20} {
		if got := floors(memory)["net.netfilter.nf_conntrack_max"]; got != want {
			t.Errorf("%d bytes: %d connections, want %d", memory, got, want)
		}
	}
	f := floors(0)
	for _, family := range []string{"ipv4", "ipv6"} {
		key := "net." + family + ".neigh.default.gc_thresh"
		if f[key+"1"] >= f[key+"2"] || f[key+"2"] >= f[key+"3"] || f[key+"3"] < 10_000 {
			t.Errorf("%s: %d, %d, %d", family, f[key+"1"], f[key+"2"], f[key+"3"])
		}
	}
}

// TestMoreIsEnough: what is larger is left, what is smaller is raised, and what
// is no floor has to be exact.
func TestMoreIsEnough(t *testing.T) {
	want, err := Desired(&ispctl.Model{})
	if err != nil {
		t.Fatal(err)
	}
	const key = "net.netfilter.nf_conntrack_max"
	floor, err := strconv.Atoi(want.Sysctls[key])
	if err != nil {
		t.Fatal(err)
	}
	for value, changes := range map[int]int{floor - 1: 1, floor: 0, 2 * floor: 0} {
		have := State{Sysctls: allSysctls()}
		have.Sysctls[key] = settled(key, strconv.Itoa(value)+"\n", want.Sysctls[key])
		if got := Diff(want, have); len(got) != changes {
			t.Errorf("%d: %v", value, got)
		}
	}
	if settled("net.ipv4.ip_forward", "2\n", "1") != "2" {
		t.Error("a switch was taken for a size")
	}
}

// TestHostsOwnAreLeft: in a namespace the host's tables are not for us to size.
func TestHostsOwnAreLeft(t *testing.T) {
	testkit.NetNS(t)
	into := Sysctls{}
	if err := readSysctls(into, nil); err != nil {
		t.Fatal(err)
	}
	for key, n := range hostFloors() {
		if into[key] != strconv.Itoa(n) {
			t.Errorf("%s = %s is pending in a namespace", key, into[key])
		}
	}
}
