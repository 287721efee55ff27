package libvirtd

import (
	"fmt"
	"testing"
	"time"

	"ispctl/vm"
)

// TestWaves: what is not started goes first, then starts by their order, and the
// last wave makes nobody wait.
func TestWaves(t *testing.T) {
	start := func(name string, order, delay int) []vm.Change {
		d := vm.Domain{Name: name, UUID: name, Order: order, Delay: delay}
		return []vm.Change{{Act: vm.Define, Domain: d}, {Act: vm.Start, Domain: d}}
	}
	stop := []vm.Change{{Act: vm.Stop, Domain: vm.Domain{Name: "old", UUID: "old", Order: 7}}}
	var got string
	for _, w := range waves([][]vm.Change{start("web", 9, 30), start("db", 1, 5), stop, start("dns", 1, 2), start("mail", 4, 0)}) {
		for _, queue := range w.queues {
			got += queue[0].Domain.Name + " "
		}
		got += fmt.Sprintf("%s; ", w.delay/time.Second*time.Second)
	}
	if want := "old 0s; db dns 5s; mail 0s; web 0s; "; got != want {
		t.Errorf("want %s, have %s", want, got)
	}
	if len(waves(nil)) != 0 {
		t.Error("there are waves of nothing")
	}
}
