package libvirtd_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/vm"
)

// TestPlug gives guests that run a disk and an interface, and asks QEMU itself,
// by libvirt's connection, what it has. Their kernels of a few bytes do not let go
// of anything, which is what a guest that hangs does.
func TestPlug(t *testing.T) {
	if !enter(t) {
		return
	}
	h, paths := embedded(t)
	h.LetGo = 500 * time.Millisecond
	m := worldModels()[2]
	bring(t, h, wanted(t, m))
	guest := &m.VMs[slices.IndexFunc(m.VMs, func(v ispctl.VM) bool { return v.UUID == web1 })]
	conn, err := libvirt.NewConnect("qemu:///embed?root=" + embedRoot(t, paths))
	must(t, err)
	defer conn.Close()
	dom, err := conn.LookupDomainByUUIDString(web1)
	must(t, err)
	defer dom.Free()
	ask := func(command string) string {
		t.Helper()
		said, err := dom.QemuMonitorCommand(command, libvirt.DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT)
		must(t, err)
		if strings.Contains(said, `"error"`) {
			t.Fatalf("%s: %s", command, said)
		}
		return said
	}
	give := func(id int64) ispctl.Disk {
		t.Helper()
		d := ispctl.Disk{ID: id, Name: ispctl.Name("d" + string(rune('0'+id))), Slot: guest.FreeSlot(), Size: 8 * ispctl.MiB}
		guest.Disks = append(guest.Disks, d)
		testkit.Sh(t, "qemu-img", "create", "-q", "-f", "qcow2", paths.Data(web1, d), "8M")
		must(t, os.Chown(paths.Data(web1, d), int(inst.GuestUID(guest.ID)), int(inst.GuestUID(guest.ID))))
		return d
	}
	taken := func(d ispctl.Disk) {
		t.Helper()
		if said := ask(`{"execute":"query-block"}`); strings.Count(said, `"file":"`+paths.Data(web1, d)+`"`) == 0 {
			t.Errorf("QEMU has no %s: %s", d.Name, said)
		}
		text, err := dom.GetXMLDesc(0)
		must(t, err)
		if !strings.Contains(text, d.File()) || !strings.Contains(text, "<serial>"+string(d.Name)+"</serial>") {
			t.Errorf("libvirt has no %s", d.Name)
		}
		have, err := h.Observe(t.Context())
		must(t, err)
		if rest := vm.Diff(wanted(t, m), have); len(rest) > 0 {
			t.Errorf("left to do: %v", rest)
		}
	}

	first := give(1)
	bring(t, h, wanted(t, m))
	taken(first)

	// What a process leaves that is killed once QEMU has opened the disk.
	half := give(2)
	file := paths.Data(web1, half)
	ask(`{"execute":"blockdev-add","arguments":{"driver":"file","filename":"` + file + `","node-name":"libvirt-4-storage","read-only":false}}`)
	ask(`{"execute":"blockdev-add","arguments":{"driver":"qcow2","file":"libvirt-4-storage","node-name":"libvirt-4-format","read-only":false}}`)
	bring(t, h, wanted(t, m))
	taken(half)

	if done, err := h.Snapshot(t.Context(), web1, file, "ispctl-7"); !done || err != nil {
		t.Errorf("snapshot: %v, %v", done, err)
	}
	list := func() string { return testkit.Sh(t, "qemu-img", "snapshot", "-U", "-l", file) }
	if !strings.Contains(list(), "ispctl-7") {
		t.Errorf("no snapshot: %s", list())
	}
	if done, err := h.Unsnapshot(t.Context(), web1, file, "ispctl-7"); !done || err != nil || strings.Contains(list(), "ispctl-7") {
		t.Errorf("snapshot is still there: %v, %v, %s", done, err, list())
	}

	// It does not let go, and says so; the file must stay until it has.
	guest.Disks = guest.Disks[:1]
	have, err := h.Observe(t.Context())
	must(t, err)
	err = h.Apply(t.Context(), vm.Diff(wanted(t, m), have))
	if ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), "ispctl vm restart web1") || !strings.Contains(err.Error(), "let go") {
		t.Errorf("a guest that does not let go: %v", err)
	}
	bring(t, h, stopped(wanted(t, m)))
	bring(t, h, wanted(t, m))
	if said := ask(`{"execute":"query-block"}`); strings.Contains(said, half.File()) {
		t.Error("started anew it has the disk still")
	}

	nic := ispctl.NIC{Index: 9, Zone: "dmz", MAC: "02:00:00:00:09:09", Tap: inst.Tap(guest.ID, 9)}
	testkit.Sh(t, "ip", "tuntap", "add", "dev", nic.Tap, "mode", "tap", "vnet_hdr")
	var ready []string
	h.Ready = func(_ context.Context, d vm.Domain) error { ready = append(ready, d.Name); return nil }
	guest.NICs = append(guest.NICs, nic)
	before := qemus(t)
	bring(t, h, wanted(t, m))
	if said := ask(`{"execute":"query-rx-filter"}`); !strings.Contains(said, nic.MAC) || !slices.Equal(ready, []string{"isp-web1"}) {
		t.Errorf("interfaces %s, made ready %v", said, ready)
	}
	if after := qemus(t); after[web1][0] != before[web1][0] {
		t.Error("it was started anew")
	}
}
