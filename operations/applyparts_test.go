package operations_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/operations"
)

// ofItsOwn gives a VM of zone dmz, by the commands, whatever a document can say
// of it alone.
func ofItsOwn(w *world, name string) {
	w.t.Helper()
	ctx := w.t.Context()
	cpus, memory, disk := 2, 384*ispctl.MiB, 3*ispctl.GiB
	w.ok(w.ResizeVM(ctx, name, operations.VMSize{CPUs: &cpus, Memory: &memory, Disk: &disk}, options{}))
	w.ok(w.AddDisk(ctx, name, "data", 2*ispctl.GiB, false, options{}))
	w.ok(w.AddDisk(ctx, name, "logs", ispctl.GiB, false, options{}))
	w.ok(w.AddNIC(ctx, name, operations.NICSpec{Zone: "mail", Address: addr("10.20.0.77")}, options{}))
	w.ok(w.SetNIC(ctx, name, lastNIC(w, name), operations.NICChange{Allow: ispctl.Allowances()[:1]}, options{}))
	w.ok(w.SetVM(ctx, name, operations.VMChange{Autostart: func(ispctl.Autostart) ispctl.Autostart {
		return ispctl.Autostart{Off: true, Order: 7, Delay: 5 * time.Second}
	}}, options{}))
}

func lastNIC(w *world, name string) int {
	vm, err := w.model().VM(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return vm.NICs[len(vm.NICs)-1].Index
}

const partsBase = `version: 1
plans: [{name: large, cpus: 4, memory: 1GiB, disk: 4GiB}]
vms:
- name: web1
  template: micro
  zone: dmz
  plan: small
`

// TestApplyParts: the parts of a VM are there with it or come to it later, and
// what is not mentioned stays.
func TestApplyParts(t *testing.T) {
	w := newWorld(t)
	say := func(text string, want ...string) {
		t.Helper()
		r := w.ok(w.apply(partsBase+text, true, options{}))
		var got []string
		for _, line := range r.Intent {
			if strings.Contains(line, "web1") {
				got = append(got, line)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	say("  cpus: 2\n  autostart: {order: 3}\n  disks: [{name: data, size: 2GiB}]\n",
		"+ vm web1 10.10.0.2 in zone dmz", "+ disk web1/data 2GiB")
	vm, err := w.model().VM("web1")
	if err != nil || vm.CPUs != 2 || vm.Autostart != (ispctl.Autostart{Order: 3}) || len(vm.Disks) != 1 {
		t.Errorf("made %+v: %v", vm, err)
	}
	say("")
	say("  cpus: 3\n  memory: 512MiB\n", "~ vm web1 cpus 2 -> 3, memory 256MiB -> 512MiB",
		"~ vm web1 has cpus 3 and memory 512MiB from its next start on: ispctl vm restart web1")
	say("  cpus: plan\n  memory: plan\n  autostart: {enabled: false, delay: 10s}\n", "~ vm web1 cpus 3 -> 1, memory 512MiB -> 256MiB",
		"~ vm web1 has cpus 1 and memory 256MiB from its next start on: ispctl vm restart web1",
		"~ vm web1 autostart on, order 3 -> off, delay 10s")
	say("  disks: [{name: data, size: 3GiB}, {name: logs, size: 1GiB}]\n  nics: [{zone: mail, address: 10.20.0.9, allow: [allow_mac_spoofing]}]\n",
		"~ disk web1/data 2GiB -> 3GiB", "+ disk web1/logs 1GiB",
		"+ vm web1 nic 1 10.20.0.9 in zone mail; the guest sets it up at its next boot", "~ vm web1 nic 1 allow [] -> [allow_mac_spoofing]")
	say("  disks: [{name: logs, size: 1GiB}]\n  nics: []\n")
	if vm, err := w.model().VM("web1"); err != nil || len(vm.Disks) != 2 || len(vm.ZoneNICs()) != 2 {
		t.Errorf("apply took something away: %+v, %v", vm, err)
	}
	w.settled()

	for _, tt := range []struct {
		name, text string
		kind       ispctl.ErrorKind
		want       string
	}{
		{"a disk that shrinks", "  disks: [{name: data, size: 1GiB}]\n", ispctl.Conflict, "its disk of 3GiB cannot shrink to 1GiB"},
		{"a first disk that shrinks", "  disk: 512MiB\n", ispctl.Conflict, "cannot shrink"},
		{"the first disk's name", "  disks: [{name: system, size: 1GiB}]\n", ispctl.Conflict, "is what the first disk is called"},
		{"a zone that is not there", "  nics: [{zone: lab}]\n", ispctl.Usage, `zone "lab"`},
		{"its own zone", "  nics: [{zone: dmz}]\n", ispctl.Conflict, "is the one that it was made in"},
		{"another address", "  nics: [{zone: mail, address: 10.20.0.10}]\n", ispctl.Conflict, "address of nic 1 is 10.20.0.9 and cannot become 10.20.0.10"},
		{"an order out of bounds", "  autostart: {order: -1}\n", ispctl.Usage, "autostart order -1 is not 0 to 9999"},
		{"a name longer than a serial", "  disks: [{name: abcdefghijklmnopqrstuvwxyz, size: 1GiB}]\n", ispctl.Usage, "is longer than 20 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := w.all()
			_, err := w.apply(partsBase+tt.text, false, options{})
			refused(t, err, tt.kind, tt.want)
			w.untouched(before)
		})
	}
}

// TestApplyShrinksNoPlan: a plan with a smaller disk is refused for a VM, as it
// is by `vm set`.
func TestApplyShrinksNoPlan(t *testing.T) {
	w := newWorld(t)
	text := strings.Replace(partsBase, "plan: small", "plan: large", 1)
	w.ok(w.apply(text, false, options{}))
	_, err := w.apply(partsBase, false, options{})
	refused(t, err, ispctl.Conflict, "its disk of 4GiB cannot shrink to 1GiB")
}
