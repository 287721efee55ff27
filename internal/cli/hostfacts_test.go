package cli

import (
	"os"
	"path/filepath"
	"testing"

	"ispctl"
)

// TestReadHostMemory reads /proc of a host that says how it is pressed, and of
// one that does not.
func TestReadHostMemory(t *testing.T) {
	proc := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		file := filepath.Join(proc, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := readHostMemory(proc); err == nil {
		t.Error("nothing is read without an error")
	}
	put("meminfo", "MemTotal:       24683908 kB\nMemFree:        123 kB\nMemAvailable:   1024 kB\nHugePages_Total:       0\n")
	want := ispctl.HostMemory{Total: 24683908 * ispctl.KiB, Available: ispctl.MiB, Stalled: -1}
	if h, err := readHostMemory(proc); err != nil || h != want {
		t.Errorf("%+v, %v", h, err)
	}
	put("pressure/memory", "some avg10=12.50 avg60=1.00 avg300=0.00 total=77\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=3\n")
	want.Stalled = 12.5
	if h, err := readHostMemory(proc); err != nil || h != want {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := hostMemory(); err != nil || h.Available <= 0 || h.Available > h.Total {
		t.Errorf("this host: %+v, %v", h, err)
	}
}

// TestDiskRoom counts what guests' disks take as theirs, not as gone.
func TestDiskRoom(t *testing.T) {
	dir := t.TempDir()
	m := &ispctl.Model{VMs: []ispctl.VM{{UUID: "u", Wanted: ispctl.Running}, {UUID: "new", Wanted: ispctl.Running}}}
	if err := os.Mkdir(filepath.Join(dir, "u"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "u", "disk.qcow2"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	with, err := diskRoom(m, dir)
	if err != nil || with < ispctl.MiB {
		t.Errorf("%s, %v", with, err)
	}
	if below, err := diskRoom(m, filepath.Join(dir, "not", "there")); err != nil || below <= 0 {
		t.Errorf("%s, %v", below, err)
	}
}
