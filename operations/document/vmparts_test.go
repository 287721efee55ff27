package document_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ispctl"
	"ispctl/operations/document"
)

// partsOf are a document's sizes, data disks and autostart of a VM.
func partsOf(vm document.VM, one *ispctl.VM) {
	if vm.CPUs != nil {
		one.CPUs = *vm.CPUs
	}
	if vm.Memory != nil {
		one.Memory = *vm.Memory
	}
	if vm.DiskSize != nil {
		one.DiskSize = *vm.DiskSize
	}
	for _, d := range vm.Disks {
		one.Disks = append(one.Disks, ispctl.Disk{Name: d.Name, Size: d.Size})
	}
	if vm.Autostart != nil {
		one.Autostart = *vm.Autostart
	}
}

// drawParts gives a VM some sizes, disks and NICs of its own.
func drawParts(t *rapid.T, vm *ispctl.VM) {
	size := rapid.Custom(func(t *rapid.T) ispctl.Size {
		return ispctl.Size(rapid.Int64Range(1, 1<<20).Draw(t, "MiB")) * ispctl.MiB
	})
	if rapid.Bool().Draw(t, "own sizes") {
		vm.CPUs, vm.Memory, vm.DiskSize = rapid.IntRange(1, ispctl.MaxCPUs).Draw(t, "own cpus"), size.Draw(t, "own memory"), size.Draw(t, "own disk")
	}
	for _, name := range rapid.SliceOfNDistinct(names, 0, 3, rapid.ID).Draw(t, "disks") {
		vm.Disks = append(vm.Disks, ispctl.Disk{Name: ispctl.Name(name), Size: size.Draw(t, "size")})
	}
	for i, zone := range rapid.SliceOfNDistinct(names, 0, 2, rapid.ID).Draw(t, "more zones") {
		nic := ispctl.NIC{Zone: ispctl.Name(zone), Addr: netip.AddrFrom4([4]byte{10, 99, byte(i), 2})}
		if rapid.Bool().Draw(t, "dressed") {
			nic.Addr6, nic.Tags, nic.Allow = netip.MustParseAddr("2001:db8::2"), []int{7}, ispctl.Allowances()[:1]
		}
		vm.NICs = append(vm.NICs, nic)
	}
	vm.Autostart = ispctl.Autostart{
		Off: rapid.Bool().Draw(t, "off"), Order: rapid.IntRange(0, ispctl.MaxOrder).Draw(t, "order"),
		Delay: time.Duration(rapid.IntRange(0, 3600).Draw(t, "delay")) * time.Second,
	}
}

func TestPartsRefused(t *testing.T) {
	const vm = "version: 1\nvms:\n- {name: a, template: micro, zone: z, plan: p, %s}\n"
	for _, tt := range []struct{ name, in, want string }{
		{"no number of CPUs", "cpus: two", `"two" is no number of CPUs from 1 on, nor "plan"`},
		{"none of them", "cpus: 0", `"0" is no number of CPUs from 1 on, nor "plan"`},
		{"memory without a unit", "memory: x", `size "x"`},
		{"a disk without a size", "disks: [{name: d}]", `key "size" is missing`},
		{"a disk without a name", "disks: [{size: 1GiB}]", `key "name" is missing`},
		{"a disk's name", "disks: [{name: ../d, size: 1GiB}]", `disk "../d"`},
		{"a disk twice", "disks: [{name: d, size: 1GiB}, {name: d, size: 2GiB}]", "disk a/d is in line 3 already"},
		{"a NIC without a zone", "nics: [{address: 10.0.0.2}]", `key "zone" is missing`},
		{"two NICs in one zone", "nics: [{zone: x}, {zone: x}]", "nic of vm a in zone x is in line 3 already"},
		{"no autostart", "autostart: true", "want a mapping with the keys delay, enabled, order"},
		{"no delay", "autostart: {delay: soon}", `"soon"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := document.Parse("p.yaml", []byte(fmt.Sprintf(vm, tt.in)))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "p.yaml:3:") {
				t.Errorf("got %v, want it to say %s at line 3", err, tt.want)
			}
		})
	}
}
