package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ispctl/internal/testkit"
	"ispctl/operations"
)

// greeting is a boot sector that writes to the first serial port and stops.
var greeting = append([]byte{
	0x31, 0xc0, // xor ax, ax
	0x8e, 0xd8, // mov ds, ax
	0xbe, 0x16, 0x7c, // mov si, text
	0xfc,             // cld
	0xba, 0xf8, 0x03, // mov dx, 0x3f8
	0xac,       // next: lodsb
	0x84, 0xc0, // test al, al
	0x74, 0x03, // jz stop
	0xee,       // out dx, al
	0xeb, 0xf8, // jmp next
	0xf4,       // stop: hlt
	0xeb, 0xfd, // jmp stop
}, "booted by its disk\r\n\x00"...)

// TestImagesOfOthers makes guests from images that were imported: our own micro,
// as a compressed qcow2 with the kernel beside it, and a VMDK that the firmware
// boots.
func TestImagesOfOthers(t *testing.T) {
	w := newWorld(t, "embed")
	w.ok("image", "build", "micro")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	w.ok("plan", "create", "tiny", "--cpus", "1", "--memory", "128MiB", "--disk", "256MiB")
	var micro operations.ImageDetailView
	w.show(&micro, "image", "show", "micro")
	file := func(name string) string { return filepath.Join(w.root, name) }
	from := func(name string) string { return filepath.Join(micro.Path, name) }

	testkit.Sh(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", from("disk.raw"), file("own.qcow2"))
	w.ok("image", "import", file("own.qcow2"), "--name", "own", "--kernel", from("vmlinuz"), "--initrd", from("initrd.img"), "--cmdline", micro.Cmdline)

	disk := make([]byte, 1<<20)
	copy(disk, greeting)
	copy(disk[510:], "\x55\xaa")
	if err := os.WriteFile(file("theirs.raw"), disk, 0o600); err != nil {
		t.Fatal(err)
	}
	testkit.Sh(t, "qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", file("theirs.raw"), file("theirs.vmdk"))
	w.ok("image", "import", file("theirs.vmdk"), "--name", "theirs")
	w.ok("image", "verify")

	templates := file("etc/ispctl/templates")
	if err := os.MkdirAll(templates, 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("etc/ispctl/templates/own.yaml", "name: own\nimage: own\nboot: kernel\n")
	w.write("etc/ispctl/templates/theirs.yaml", "name: theirs\nimage: theirs\nboot: disk\n")
	w.ok("vm", "create", "theirs1", "--template", "theirs", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub")
	w.ok("vm", "create", "own1", "--template", "own", "--zone", "dmz", "--plan", "tiny", "--ssh-key", w.key+".pub", "--wait")
	if out, err := w.ssh(w.provider, w.vm("own1").Addresses[0], "22", "hostname"); err != nil || out != "own1" {
		t.Errorf("%v: %s", err, out)
	}
	log := file("var/lib/libvirt/images/ispctl/vms/" + w.vm("theirs1").UUID + "/serial.log")
	var text []byte
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && !strings.Contains(string(text), "booted by its disk"); time.Sleep(100 * time.Millisecond) {
		text, _ = os.ReadFile(log)
	}
	if !strings.Contains(string(text), "booted by its disk") {
		t.Errorf("the firmware did not boot the disk; the serial port says %q", text)
	}
	w.fails(5, "is in use by vm", "image", "remove", "theirs")
	w.ok("vm", "destroy", "theirs1", "--yes")
	w.ok("image", "remove", "theirs")
	if out := w.ok("converge"); strings.TrimSpace(out) != "no changes" {
		t.Errorf("not at rest: %s", out)
	}
}
