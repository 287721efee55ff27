package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ispctl/internal/testkit"
	"ispctl/operations"
)

// TestCopies makes of a real guest a clone, a template and a file, gives it one
// more zone, and boots another system beside its disk.
func TestCopies(t *testing.T) {
	testkit.Long(t, "3 min")
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("zone", "create", "lab", "--prefix", "10.20.0.0/24")
	w.ok("plan", "create", "tiny", "--cpus", "1", "--memory", "128MiB", "--disk", "256MiB")
	create := func(name, template string) {
		t.Helper()
		w.ok("vm", "create", name, "--template", template, "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub", "--wait")
	}
	inside := func(addr, command string) string {
		t.Helper()
		out, err := w.ssh(w.provider, addr, "22", command)
		if err != nil {
			t.Fatalf("%s: %s: %v: %s\n%s", addr, command, err, out, w.ok("vm", "list"))
		}
		return out
	}
	addr := func(name string) string { return w.vm(name).Addresses[0] }
	create("web1", "micro")
	web1 := addr("web1")
	inside(web1, "echo kept > /root/file; mkdir -p /var/log; echo canary-log > /var/log/old; echo canary-key > /root/.ssh/id_ed25519; echo canary-gone > /root/gone; sync; rm /root/gone; sync")

	t.Run("clone", func(t *testing.T) {
		w.ok("vm", "clone", "web1", "web2", "--wait")
		web2 := addr("web2")
		if out := inside(web2, "cat /root/file; hostname"); out != "kept\nweb2" {
			t.Errorf("the clone has %q", out)
		}
		if w.vm("web1").HostKey == w.vm("web2").HostKey || web1 == web2 || w.vm("web1").MAC == w.vm("web2").MAC {
			t.Errorf("the clone shares what is one guest's alone: %+v", w.vm("web2"))
		}
		inside(web2, "echo other > /root/file; sync")
		if out := inside(web1, "cat /root/file"); out != "kept" {
			t.Errorf("what the clone wrote came to the first: %s", out)
		}
		w.ok("vm", "destroy", "web2", "--yes")
	})
	t.Run("template", func(t *testing.T) {
		w.ok("template", "create", "shop", "--from", "web1", "--description", "a shop")
		w.fails(5, "already", "template", "create", "shop", "--from", "web1")
		create("shop1", "shop")
		shop1 := addr("shop1")
		if out := inside(shop1, "cat /root/file; hostname; ls /var/log/old /root/.ssh/id_ed25519 2>/dev/null | wc -l"); out != "kept\nshop1\n0" {
			t.Errorf("a guest of the template has %q", out)
		}
		if w.vm("shop1").HostKey == w.vm("web1").HostKey {
			t.Error("it has the host key of the first")
		}
		// In free blocks too there is nothing left.
		var image operations.ImageDetailView
		w.show(&image, "image", "show", "shop")
		disk, err := os.ReadFile(filepath.Join(image.Path, "disk.raw"))
		if err != nil {
			t.Fatal(err)
		}
		for _, canary := range []string{"canary-log", "canary-key", "canary-gone"} {
			if bytes.Contains(disk, []byte(canary)) {
				t.Errorf("%s is still on the disk", canary)
			}
		}
		w.fails(5, "shop1", "template", "delete", "shop")
		w.fails(5, "comes with ispctl", "template", "delete", "micro")
		w.ok("vm", "destroy", "shop1", "--yes")
		w.ok("template", "delete", "shop")
		w.ok("image", "remove", "shop")
		w.fails(3, "shop", "template", "show", "shop")
	})
	t.Run("export", func(t *testing.T) {
		file := filepath.Join(filepath.Dir(w.root), "web1.raw")
		w.ok("vm", "export", "web1", "--format", "raw", "--output", file)
		testkit.Sh(t, "sh", "-c", "e2fsck -f -y "+file+" >/dev/null; [ $? -le 3 ]")
		if out := testkit.Sh(t, "debugfs", "-R", "cat /root/file", file); !strings.Contains(out, "kept") {
			t.Errorf("the file has %q", out)
		}
		if inside(web1, "hostname") != "web1" {
			t.Error("it did not go on")
		}
	})
	t.Run("one more zone", func(t *testing.T) {
		w.ok("nic", "add", "web1", "--zone", "lab", "--address", "10.20.0.9")
		w.ok("vm", "restart", "web1", "--wait")
		if out := inside(web1, "ip -4 addr"); !strings.Contains(out, "10.20.0.9/24") {
			t.Errorf("the guest has\n%s", out)
		}
		if out := inside("10.20.0.9", "hostname"); out != "web1" {
			t.Errorf("by the other zone answers %s", out)
		}
		var index string
		for _, nic := range []string{"1", "2"} {
			if r := w.run("nic", "remove", "web1", nic); r.code == 0 {
				index = nic
				break
			}
		}
		if index != "2" {
			t.Errorf("nic %q was removed; 1 is on the admin leg", index)
		}
		if out := w.in(w.provider, "ip", "-o", "link"); strings.Contains(out, "isp-1-2") {
			t.Errorf("left:\n%s", out)
		}
	})
	t.Run("rescue", func(t *testing.T) {
		inside(web1, "mv /usr/sbin/dropbear /usr/sbin/dropbear.lost; sync") // nobody gets in any more
		w.ok("vm", "rescue", "web1", "--image", "micro", "--wait")
		leg := w.vm("web1").AdminAddress
		inside(leg, "mount /dev/vdc /mnt && grep -q kept /mnt/root/file && mv /mnt/usr/sbin/dropbear.lost /mnt/usr/sbin/dropbear && umount /mnt && sync")
		if dials(w.provider, web1+":22") {
			t.Error("in rescue it is in its zone")
		}
		w.ok("vm", "rescue", "web1", "--end", "--wait")
		if out := inside(web1, "cat /root/file; hostname"); out != "kept\nweb1" {
			t.Errorf("after the rescue it has %q", out)
		}
	})
	w.ok("vm", "destroy", "web1", "--yes")
	if out := w.in(w.provider, "find", w.root, "-name", "*.qcow2"); out != "" {
		t.Errorf("left: %s", out)
	}
}
