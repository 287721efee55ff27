package libvirtd_test

import (
	"testing"

	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/vm"
)

// TestTune changes the limits of guests that run, and asks libvirt, by a
// connection of its own, what QEMU holds them to.
func TestTune(t *testing.T) {
	if !enter(t) {
		return
	}
	h, paths := embedded(t)
	m := worldModels()[2]
	bring(t, h, wanted(t, m))
	before := qemus(t)
	m.Plans[0].Limits = ispctl.Limits{ReadIOPS: 500, WriteIOPS: 100, ReadRate: 10 * ispctl.MiB, WriteRate: 5e6, ReadBurst: 30 * ispctl.MiB, WriteIOPSBurst: 400}
	bring(t, h, wanted(t, m))
	conn, err := libvirt.NewConnect("qemu:///embed?root=" + embedRoot(t, paths))
	must(t, err)
	defer conn.Close()
	tuned := func() *libvirt.DomainBlockIoTuneParameters {
		dom, err := conn.LookupDomainByUUIDString(m.VMs[0].UUID)
		must(t, err)
		defer dom.Free()
		got, err := dom.GetBlockIoTune("vda", libvirt.DOMAIN_AFFECT_LIVE)
		must(t, err)
		return got
	}
	if got := tuned(); got.ReadIopsSec != 500 || got.WriteIopsSec != 100 || got.ReadBytesSec != 10<<20 || got.WriteBytesSec != 5e6 ||
		got.ReadBytesSecMax != 30<<20 || got.WriteIopsSecMax != 400 || got.GroupName != vm.ThrottleGroup {
		t.Errorf("the disk is held to %+v", got)
	}
	m.Plans[0].Limits = ispctl.Limits{}
	bring(t, h, wanted(t, m))
	if got := tuned(); got.ReadIopsSec != 0 || got.WriteBytesSec != 0 {
		t.Errorf("the disk is still held to %+v", got)
	}
	for uuid, pids := range qemus(t) {
		if len(pids) != 1 || pids[0] != before[uuid][0] {
			t.Errorf("%s: was %v, is %v: it was started anew", uuid, before[uuid], pids)
		}
	}
	// The embedded driver has no cgroups: CPU time is not its business.
	m.Plans[0].Limits = ispctl.Limits{CPUCeiling: 50, CPUShares: 20, CPUPin: "0", CPUGuarantee: 10}
	have, err := h.Observe(t.Context())
	must(t, err)
	if changes := vm.Diff(wanted(t, m), have); len(changes) > 0 {
		t.Errorf("libvirt is asked for CPU time: %v", changes)
	}
}
