package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ispctl/operations"
)

// TestDisks gives a real guest disks, snapshots and sizes while it runs, and
// looks from inside what has come of it.
func TestDisks(t *testing.T) {
	t.Parallel() // it waits for guests, mostly
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "tiny", "--cpus", "1", "--memory", "128MiB", "--disk", "256MiB")
	w.ok("vm", "create", "web1", "--template", "micro", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub", "--wait")
	inside := func(command string) string {
		t.Helper()
		out, err := w.ssh(w.provider, "10.10.0.2", "22", command)
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		return out
	}
	// disk is the size, in sectors, of the disk that the guest knows by a serial.
	disk := func(serial string) string {
		return inside(`for d in /sys/block/vd*; do if [ "$(cat $d/serial)" = ` + serial + ` ]; then cat $d/size; fi; done`)
	}
	soon := func(what, want string, have func() string) {
		t.Helper()
		var last string
		for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
			if last = have(); last == want {
				return
			}
		}
		t.Errorf("%s: want %s, have %s", what, want, last)
	}
	key := w.vm("web1")

	t.Run("data disk", func(t *testing.T) {
		w.ok("vm", "disk", "add", "web1", "data", "--size", "16MiB")
		w.fails(5, "is there already", "vm", "disk", "add", "web1", "data", "--size", "16MiB")
		soon("plugged", fmt.Sprint(16<<20/512), func() string { return disk("data") })
		inside(`d=$(grep -l ^data$ /sys/block/vd*/serial | cut -d/ -f4); echo kept > /dev/$d; sync`)
		w.ok("vm", "disk", "resize", "web1", "data", "--size", "32MiB")
		soon("grown", fmt.Sprint(32<<20/512), func() string { return disk("data") })
		w.fails(5, "cannot shrink", "vm", "disk", "resize", "web1", "data", "--size", "16MiB")
		w.ok("vm", "disk", "add", "web1", "spare", "--size", "8MiB")
		soon("another", fmt.Sprint(8<<20/512), func() string { return disk("spare") })
		w.ok("vm", "disk", "remove", "web1", "spare", "--yes")
		if out := disk("spare"); out != "" {
			t.Errorf("removed, and the guest has %s sectors of it", out)
		}
		var all []operations.DiskView
		w.show(&all, "vm", "disk", "list", "web1")
		if len(all) != 2 || all[1].Name != "data" || all[1].Size != 32<<20 {
			t.Errorf("%+v", all)
		}
		if out := strings.TrimSpace(w.ok("converge", "--dry-run")); out != "no changes" {
			t.Errorf("not at rest: %s", out)
		}
	})
	file := func() string { return inside("cat /root/file 2>/dev/null || echo gone") }
	data := func() string {
		return inside(`d=$(grep -l ^data$ /sys/block/vd*/serial | cut -d/ -f4); head -n 1 /dev/$d`)
	}
	t.Run("snapshots", func(t *testing.T) {
		inside("echo first > /root/file; sync")
		w.ok("vm", "snapshot", "create", "web1", "running")
		inside("rm /root/file; sync")
		if out := file(); out != "gone" {
			t.Fatalf("the file is %s", out)
		}
		w.ok("vm", "snapshot", "restore", "web1", "running", "--yes", "--wait")
		if out := file(); out != "first" {
			t.Errorf("after the restore the file is %s", out)
		}
		if out := data(); out != "kept" {
			t.Errorf("after the restore the data disk has %s", out)
		}
		inside("echo second > /root/file; sync")
		w.ok("vm", "stop", "web1")
		w.ok("vm", "snapshot", "create", "web1", "stopped")
		w.ok("vm", "snapshot", "delete", "web1", "running")
		w.fails(3, "have: stopped", "vm", "snapshot", "restore", "web1", "running", "--yes")
		w.ok("vm", "start", "web1", "--wait")
		inside("rm /root/file; sync")
		w.ok("vm", "snapshot", "restore", "web1", "stopped", "--yes", "--wait")
		if out := file(); out != "second" {
			t.Errorf("after the second restore the file is %s", out)
		}
		w.ok("vm", "snapshot", "delete", "web1", "stopped") // while it runs
		names, err := filepath.Glob(filepath.Dir(diskOf(t, w, "web1")) + "/disk*.qcow2")
		if err != nil || len(names) != 1 {
			t.Fatalf("disks: %v, %v", names, err)
		}
		if out := w.in(w.provider, "qemu-img", "snapshot", "-U", "-l", names[0]); strings.Contains(out, "ispctl-") {
			t.Errorf("left in the disk:\n%s", out)
		}
	})
	t.Run("sizes", func(t *testing.T) {
		w.ok("vm", "resize", "web1", "--disk", "512MiB")
		soon("the first disk", fmt.Sprint(512<<20/512), func() string { return inside("cat /sys/block/vda/size") })
		if out := w.ok("vm", "resize", "web1", "--cpus", "2", "--memory", "192MiB"); !strings.Contains(out, "ispctl vm restart web1") {
			t.Errorf("it does not say that a restart is needed: %s", out)
		}
		w.fails(5, "cannot shrink", "vm", "resize", "web1", "--disk", "256MiB")
		w.ok("vm", "restart", "web1", "--wait")
		if out := inside("grep -c ^processor /proc/cpuinfo"); out != "2" {
			t.Errorf("%s CPUs", out)
		}
		var kib int
		if _, err := fmt.Sscanf(inside("grep MemTotal /proc/meminfo"), "MemTotal: %d kB", &kib); err != nil || kib < 140<<10 || kib > 192<<10 {
			t.Errorf("%d KiB of memory, %v", kib, err)
		}
	})
	t.Run("rebuild", func(t *testing.T) {
		w.ok("vm", "snapshot", "create", "web1", "old")
		w.ok("vm", "rebuild", "web1", "--yes", "--wait")
		if out := file(); out != "gone" {
			t.Errorf("after it was made anew the file is %s", out)
		}
		if out := data(); out != "kept" {
			t.Errorf("after it was made anew the data disk has %s", out)
		}
		after := w.vm("web1")
		if after.MAC != key.MAC || after.UUID != key.UUID || after.Addresses[0] != key.Addresses[0] || len(after.Snapshots) != 0 {
			t.Errorf("before %+v\nafter %+v", key, after)
		}
	})
	w.ok("vm", "destroy", "web1", "--yes")
	if out := w.in(w.provider, "find", w.root, "-name", "*.qcow2"); out != "" {
		t.Errorf("left: %s", out)
	}
}

// diskOf is the path of a VM's first disk.
func diskOf(t testing.TB, w *world, name string) string {
	t.Helper()
	var all []operations.DiskView
	w.show(&all, "vm", "disk", "list", name)
	if _, err := os.Stat(all[0].File); err != nil {
		t.Fatal(err)
	}
	return all[0].File
}
