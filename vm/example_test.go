package vm_test

import (
	"fmt"
	"time"

	"ispctl"
	"ispctl/vm"
)

// A model with one guest, on a host without any domain, and then one in which
// the guest is to be stopped.
func Example() {
	model := &ispctl.Model{
		Installation: ispctl.Installation{Prefix: ispctl.DefaultPrefix},
		Plans:        []ispctl.Plan{{Name: "small", CPUs: 1, Memory: ispctl.GiB, Disk: 10 * ispctl.GiB}},
		Images:       []ispctl.Image{{Name: "debian-12", Digest: "5f70", Cmdline: "root=/dev/vda", Built: time.Unix(0, 0)}},
		VMs: []ispctl.VM{{
			ID: 12, UUID: "0b9d5c1e-7a53-4a0e-9d0c-2f6c1f0a9b11", Name: "web1", Zone: "dmz", Plan: "small",
			Image: "5f70", Wanted: ispctl.Running,
			NICs: []ispctl.NIC{{Zone: "dmz", MAC: "02:00:00:00:00:0c", Tap: "isp-12-0"}},
		}},
	}
	desired := vm.Desired(vm.Host{Type: vm.KVM})
	have := vm.State{}
	for range 2 {
		want, err := desired(model)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, change := range vm.Diff(want, have) {
			fmt.Println(change)
		}
		have = want
		model.VMs[0].Wanted = ispctl.Stopped
	}
	// Output:
	// virsh define --validate isp-web1.xml
	// virsh start isp-web1
	// virsh shutdown isp-web1
}
