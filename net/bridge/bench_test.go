package bridge_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"ispctl/internal/testkit"
	"ispctl/net/bridge"
)

// BenchmarkObserve reads the taps of 5,000 guests in ten zones, in a network
// namespace of its own.
func BenchmarkObserve(b *testing.B) {
	const zones, guests, group = 10, 5000, 77
	testkit.NetNS(b)
	var s strings.Builder
	for i := range zones {
		fmt.Fprintf(&s, "link add isp-z%d type bridge\nlink set isp-z%[1]d group %d\n", i, group)
	}
	for i := range guests {
		fmt.Fprintf(&s, "tuntap add dev isp-%d-0 mode tap vnet_hdr\nlink set isp-%[1]d-0 group %d master isp-z%d\n", i, group, i%zones)
	}
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(s.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %.300s", err, out)
	}
	k, err := bridge.Open(group)
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	for b.Loop() {
		if s, err := k.Observe(b.Context()); err != nil || len(s) != zones+guests {
			b.Fatalf("%d links, %v", len(s), err)
		}
	}
}
