package libvirtd_test

import (
	"strings"
	"testing"

	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/converge"
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
	m.Plans[0].Limits = ispctl.Limits{ReadIOPS: 500, WriteIOPS: 100, ReadRate: 10 * ispctl.MiB, WriteRate: 5e6}
	bring(t, h, wanted(t, m))
	conn, err := libvirt.NewConnect("qemu:///embed?root=" + paths.Embed())
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
	if got := tuned(); got.ReadIopsSec != 500 || got.WriteIopsSec != 100 || got.ReadBytesSec != 10<<20 || got.WriteBytesSec != 5e6 {
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
	m.Plans[0].Limits = ispctl.Limits{CPUCeiling: 50}
	// The embedded driver has cgroups only where systemd made some. Where it
	// has none, the VM is named and goes on as it is.
	have, err := h.Observe(t.Context())
	must(t, err)
	err = h.Apply(t.Context(), vm.Diff(wanted(t, m), have))
	if err != nil {
		if len(converge.Faults(err)) != len(m.Guests()) || !strings.Contains(err.Error(), "vm web1: ") || !strings.Contains(err.Error(), "cgroup CPU controller is not mounted") {
			t.Error(err)
		}
		return
	}
	dom, err := conn.LookupDomainByUUIDString(m.VMs[0].UUID)
	must(t, err)
	defer dom.Free()
	if got, err := dom.GetSchedulerParametersFlags(libvirt.DOMAIN_AFFECT_LIVE); err != nil || got.GlobalQuota != 50000 {
		t.Errorf("CPU time is %+v: %v", got, err)
	}
}
