package vm

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestKVMUsable(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	intel := file("intel", "processor\t: 0\nflags\t\t: fpu vmx sse\n\nprocessor\t: 1\nflags\t\t: fpu sse\n")
	amd := file("amd", "flags : fpu svm sse\n")
	guest := file("guest", "model name : vmx 9000\nflags\t\t: fpu vmxx svmx sse\nbugs : svm\n")
	device, gone := file("kvm", ""), filepath.Join(dir, "none")
	for _, tt := range []struct {
		name            string
		cpuinfo, device string
		usable, misled  bool
	}{
		{"intel", intel, device, true, false},
		{"amd", amd, device, true, false},
		{"module not loaded", intel, gone, false, false},
		{"a guest without nesting", guest, gone, false, false},
		{"a guest with a device that leads nowhere", guest, device, false, true},
		{"no /proc", gone, device, false, true},
		{"a device that is no file", intel, dir, false, false},
	} {
		if got := kvmUsable(tt.cpuinfo, tt.device); got != tt.usable {
			t.Errorf("%s: usable %v", tt.name, got)
		}
		if got := kvmMisleads(tt.cpuinfo, tt.device); got != tt.misled {
			t.Errorf("%s: misleads %v", tt.name, got)
		}
	}
}

func TestXenHere(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]bool{"control_d\n": true, "": false} { // a guest on Xen has the file too
		path := filepath.Join(dir, "capabilities")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := xenHere(path); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
	if xenHere(filepath.Join(dir, "none")) {
		t.Error("without the file")
	}
}

func TestHostFacts(t *testing.T) {
	real := QEMU
	if KVMUsable() {
		real = KVM
	}
	for uri, want := range map[string]string{
		"test:///default": Test, "test+unix:///default": Test, "embed": real, "system": real, "qemu:///system": real, "xen:///system": Xen,
	} {
		if got := HostFacts(uri).Type; got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}

// TestGroupOf: as a user of its own, a guest opens /dev/kvm by the group that
// udev gives it, if not everybody may.
func TestGroupOf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kvm")
	if got := groupOf(file); got != 0 {
		t.Errorf("no file: %d", got)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(file, 0, 105); err != nil {
			t.Fatal(err)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]uint32{0o600: 0, 0o640: 0, 0o660: st.Gid, 0o666: 0} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if got := groupOf(file); got != want {
			t.Errorf("mode %o: group %d, want %d", mode, got, want)
		}
	}
}
