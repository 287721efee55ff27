package images

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// modules are loaded by every image's initial RAM disk, in this order: each
// after those it needs. Both kinds of guest get by with what is here until
// udev, if there is one, loads the rest; a guest of busybox never needs more.
var modules = [...]string{
	"virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk",
	"failover", "net_failover", "virtio_net",
	"cdrom", "isofs", // the seed
	"button", "evdev", // virsh shutdown
}

// xenModules are the drivers of disks and network of guests on Xen, who load
// them besides: the others find nothing there, and do no harm.
var xenModules = [...]string{"xen-blkfront", "xen-netfront"}

// xenDisks lets what follows in the script find the disks by their usual names.
// It is put in where the script has loaded all modules.
const (
	xenDisks = `if [ -d /proc/xen ]; then
	busybox ln -s xvda /dev/vda
	busybox ln -s xvdb /dev/vdb
fi
`
	loaded = "done </modules/order\n"
)

// applets of busybox that the initial RAM disk's init calls.
var applets = [...]string{"insmod", "mount", "sh", "switch_root", "umount", "usleep"}

// initramfs is the initial RAM disk: busybox, a script, and the modules, out of
// a tree of unpacked packages. It is not compressed: on an emulated CPU,
// unpacking a megabyte takes longer than copying three.
func initramfs(packages string, r Recipe) ([]byte, error) {
	var a cpio
	for _, dir := range []string{"bin", "dev", "modules", "proc", "root"} {
		a.add(dir, fs.ModeDir|0o755, nil)
	}
	busybox, err := os.ReadFile(either(filepath.Join(packages, "usr/bin/busybox"), filepath.Join(packages, "bin/busybox")))
	if err != nil {
		return nil, err
	}
	a.add("bin/busybox", 0o755, busybox)
	for _, applet := range applets {
		a.add("bin/"+applet, fs.ModeSymlink|0o777, []byte("busybox"))
	}
	script, err := recipeFiles.ReadFile("recipes/initramfs/init")
	if err != nil {
		return nil, err
	}
	names := append(modules[:len(modules):len(modules)], r.Modules...)
	if r.Xen {
		names = append(names, xenModules[:]...)
		script = bytes.Replace(script, []byte(loaded), []byte(loaded+xenDisks), 1)
	}
	a.add("init", 0o755, script)
	files, err := findModules(either(filepath.Join(packages, "usr/lib/modules"), filepath.Join(packages, "lib/modules")))
	if err != nil {
		return nil, err
	}
	builtin, err := builtinModules(files)
	if err != nil {
		return nil, err
	}
	var order bytes.Buffer
	for _, name := range names {
		if builtin[name] {
			continue
		}
		data, err := readModule(files, name)
		if err != nil {
			return nil, err
		}
		a.add("modules/"+name+".ko", 0o644, data)
		fmt.Fprintf(&order, "%s.ko\n", name)
	}
	a.add("modules/order", 0o644, order.Bytes())
	return a.bytes(), nil
}

// either is the first of two places if there is anything, and else the second:
// since Debian 13, packages have under /usr what they had beside it.
func either(first, second string) string {
	if exists(first) {
		return first
	}
	return second
}

// builtinModules are those that this kernel has inside.
func builtinModules(files map[string]string) (map[string]bool, error) {
	builtin := map[string]bool{}
	list, ok := files["modules.builtin"]
	if !ok {
		return builtin, nil
	}
	data, err := os.ReadFile(list)
	for line := range strings.Lines(string(data)) {
		builtin[strings.TrimSuffix(path.Base(strings.TrimSpace(line)), ".ko")] = true
	}
	return builtin, err
}

// readModule reads a module. Debian 13 compresses them, which busybox cannot
// undo.
func readModule(files map[string]string, name string) ([]byte, error) {
	if file, ok := files[name+".ko"]; ok {
		return os.ReadFile(file)
	}
	file, ok := files[name+".ko.xz"]
	if !ok {
		return nil, fmt.Errorf("the kernel has no module %s", name)
	}
	data, err := exec.Command("xz", "-dc", file).Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, missingTool("xz", "xz-utils")
	}
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", file, err)
	}
	return data, nil
}

// findModules lists the modules under a directory by their file names.
func findModules(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files[d.Name()] = path
		}
		return err
	})
	return files, err
}

// cpio is an archive in the format `newc` of cpio(5), as the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst wants it. There is
// no time and no owner but root in it: the same files give the same bytes.
type cpio struct {
	b     bytes.Buffer
	inode int
}

func (c *cpio) add(name string, mode fs.FileMode, data []byte) {
	kind := 0o100000
	switch mode.Type() {
	case fs.ModeDir:
		kind = 0o040000
	case fs.ModeSymlink:
		kind = 0o120000
	}
	c.inode++
	c.entry(name, c.inode, kind|int(mode.Perm()), data)
}

func (c *cpio) entry(name string, inode, mode int, data []byte) {
	// magic, inode, mode, uid, gid, links, time, size, device, rdev, name, checksum
	fmt.Fprintf(&c.b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
	c.pad()
	c.b.Write(data)
	c.pad()
}

func (c *cpio) pad() {
	for c.b.Len()%4 != 0 {
		c.b.WriteByte(0)
	}
}

func (c *cpio) bytes() []byte {
	c.entry("TRAILER!!!", 0, 0, nil)
	return c.b.Bytes()
}
