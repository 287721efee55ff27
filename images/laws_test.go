package images

import (
	"fmt"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
)

// walk are models between which guests come, go, stop and change their keys.
// None makes a disk smaller: that is no state a host can be brought to.
func walk(root string) []*ispctl.Model {
	gone := guest("c", uuid3, "small")
	gone.Wanted = ispctl.Absent
	stopped := guest("b", uuid2, "large", "key2")
	stopped.Wanted = ispctl.Stopped
	snapped := withDisks(guest("b", uuid2, "large", "key2"), 4)
	snapped.Snapshots = []ispctl.Snapshot{{ID: 10, Name: "new"}, {ID: 9, Name: "old"}}
	return []*ispctl.Model{
		model(root),
		model(root, guest("a", uuid1, "small", "key1")),
		model(root, guest("a", uuid1, "small", "key1", "key2"), guest("b", uuid2, "large", "key2"), guest("c", uuid3, "small")),
		model(root, guest("a", uuid1, "small"), stopped, gone),
		model(root, gone),
		model(root, withDisks(guest("a", uuid1, "small"), 3, 11), stopped),
		model(root, withDisks(guest("a", uuid1, "small", "key1"), 11)),
		model(root, snapped),
	}
}

// withDisks gives a VM data disks with these ids.
func withDisks(vm ispctl.VM, ids ...int64) ispctl.VM {
	for slot, id := range ids {
		vm.Disks = append(vm.Disks, ispctl.Disk{ID: id, Name: ispctl.Name(fmt.Sprintf("d%d", id)), Slot: slot, Size: ispctl.Size(id) * ispctl.MiB})
	}
	return vm
}

func TestLawsOnFake(t *testing.T) {
	f := &Fake{Foreign: map[string]bool{"/var/lib/libvirt/images/ispctl/vms/lost+found": true}}
	convergetest.Laws(t, convergetest.Suite[State, Change]{
		Models: walk(""), Desired: Desired(seed), Diff: Diff, Target: f,
		Foreign: func() string { return fmt.Sprint(f.Foreign) },
	})
}

// TestLawsOnDisk walks on a real directory, among directories that look like
// ours in all but the mark.
func TestLawsOnDisk(t *testing.T) {
	k, root := world(t)
	convergetest.Laws(t, convergetest.Suite[State, Change]{
		Models: walk(root), Desired: Desired(seed), Diff: Diff, Target: k,
		Foreign: func() string {
			return testkit.Sh(t, "find", k.Paths.Guests(), "-path", "*foreign*", "-printf", `%P %y %m %s %T@\n`) +
				testkit.Sh(t, "sh", "-c", "cat $(find "+k.Paths.Guests()+" -path '*foreign*' -type f | sort)")
		},
	})
}
