package images

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/testkit"
)

// raw makes a backing file that holds something recognisable.
func raw(t testing.TB, size int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(path, bytes.Repeat([]byte{0xa5}, size), 0o444); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCreateOverlay asks qemu-img what CreateOverlay made.
func TestCreateOverlay(t *testing.T) {
	backing := raw(t, 1<<20)
	for _, size := range []ispctl.Size{
		ispctl.MinDisk,
		512 * ispctl.MiB,       // one full L2 table
		512*ispctl.MiB + 512,   // and a sector of the next
		ispctl.MinDisk + 512,   // no whole number of clusters
		4 * ispctl.TiB,         // a whole cluster of L1 entries
		4*ispctl.TiB + 1048576, // and one more
		ispctl.MaxDisk,
	} {
		t.Run(size.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk.qcow2")
			if err := CreateOverlay(path, backing, size); err != nil {
				t.Fatal(err)
			}
			testkit.Sh(t, "qemu-img", "check", "-f", "qcow2", path)
			var info struct {
				Format        string `json:"format"`
				VirtualSize   int64  `json:"virtual-size"`
				Backing       string `json:"backing-filename"`
				BackingFormat string `json:"backing-filename-format"`
			}
			out := testkit.Sh(t, "qemu-img", "info", "--output=json", "-f", "qcow2", path)
			if err := json.Unmarshal([]byte(out), &info); err != nil {
				t.Fatal(err)
			}
			if info.Format != "qcow2" || info.VirtualSize != int64(size) || info.Backing != backing || info.BackingFormat != "raw" {
				t.Errorf("qemu-img sees %+v", info)
			}
			have, err := ReadOverlay(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Overlay{Backing: backing, Size: size}, have); diff != "" {
				t.Error(diff)
			}
			st, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if st.Mode().Perm() != 0o600 {
				t.Errorf("its mode is %v", st.Mode())
			}
		})
	}
}

// TestOverlayHoldsData writes and reads through QEMU's own driver: at the
// start, across the end of the backing file, and at the end of a disk that has
// grown by more than its L1 table had room for.
func TestOverlayHoldsData(t *testing.T) {
	backing := raw(t, 1<<20)
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := CreateOverlay(path, backing, 64*ispctl.MiB); err != nil {
		t.Fatal(err)
	}
	qemuIO(t, path, "write -P 0x11 4096 4096", "write -P 0x22 1044480 8192", "write -P 0x33 67043328 65536")
	for range 2 { // growing twice is growing once
		if err := GrowOverlay(t.Context(), path, 5*ispctl.TiB); err != nil {
			t.Fatal(err)
		}
	}
	qemuIO(t, path, "write -P 0x44 5497558138368 512")
	qemuIO(t, path,
		"read -P 0xa5 0 4096", "read -P 0x11 4096 4096", "read -P 0xa5 8192 1036288", "read -P 0x22 1044480 8192",
		"read -P 0 1052672 65990656", "read -P 0x33 67043328 65536", "read -P 0 67108864 1048576", "read -P 0x44 5497558138368 512")
	testkit.Sh(t, "qemu-img", "check", "-f", "qcow2", path)
	if got, err := os.ReadFile(backing); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{0xa5}, 1<<20)) {
		t.Errorf("the backing file was written (%v)", err)
	}
	have, err := ReadOverlay(path)
	if err != nil || have.Size != 5*ispctl.TiB {
		t.Errorf("after growing: %+v, %v", have, err)
	}
	if err := GrowOverlay(t.Context(), path, ispctl.MiB); err != nil {
		t.Errorf("a smaller wish is no error: %v", err)
	}
	if have, err := ReadOverlay(path); err != nil || have.Size != 5*ispctl.TiB {
		t.Errorf("it shrank: %+v, %v", have, err)
	}
}

func qemuIO(t testing.TB, path string, commands ...string) {
	t.Helper()
	argv := []string{"qemu-io", "-f", "qcow2"}
	for _, c := range commands {
		argv = append(argv, "-c", c)
	}
	if out := testkit.Sh(t, append(argv, path)...); strings.Contains(out, "failed") {
		t.Fatalf("qemu-io: %s", out)
	}
}

// TestCreateOverlayKeepsData creates over everything that may be there.
func TestCreateOverlayKeepsData(t *testing.T) {
	backing := raw(t, 1<<20)
	for _, tt := range []struct {
		name string
		make func(t *testing.T, path string)
		kind ispctl.ErrorKind
		ok   bool
	}{
		{"the same overlay", func(t *testing.T, path string) { create(t, path, backing) }, 0, true},
		{"an overlay of another file", func(t *testing.T, path string) { create(t, path, raw(t, 512)) }, ispctl.Conflict, false},
		{"something else", func(t *testing.T, path string) { write(t, path, "a file of the operator's") }, ispctl.Conflict, false},
		{"nothing but what a crash left", func(t *testing.T, path string) { write(t, tempName(path), "half") }, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk.qcow2")
			tt.make(t, path)
			before, _ := os.ReadFile(path)
			err := CreateOverlay(path, backing, ispctl.GiB)
			if tt.ok != (err == nil) || !tt.ok && ispctl.KindOf(err) != tt.kind {
				t.Fatalf("got %v", err)
			}
			after, _ := os.ReadFile(path)
			if before != nil && !bytes.Equal(before, after) {
				t.Error("it was written to")
			}
			if names := ls(t, filepath.Dir(path)); !cmp.Equal(names, []string{"disk.qcow2"}) {
				t.Errorf("the directory holds %v", names)
			}
		})
	}
}

func create(t testing.TB, path, backing string) {
	t.Helper()
	if err := CreateOverlay(path, backing, ispctl.GiB); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func ls(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestCreateOverlayRefuses gives it what no overlay can be.
func TestCreateOverlayRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	for _, tt := range []struct {
		name, backing string
		size          ispctl.Size
	}{
		{"no size", "/b", 0},
		{"a negative size", "/b", -ispctl.GiB},
		{"half a sector", "/b", ispctl.GiB + 100},
		{"too much", "/b", ispctl.MaxDisk + ispctl.MiB},
		{"a long name", strings.Repeat("b", 1024), ispctl.GiB},
	} {
		if err := CreateOverlay(path, tt.backing, tt.size); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if names := ls(t, filepath.Dir(path)); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
}

// TestFullDisk makes overlay and seed where there is no room for them.
func TestFullDisk(t *testing.T) {
	testkit.Need(t, testkit.Root)
	dir := t.TempDir()
	if err := unix.Mount("tiny", dir, "tmpfs", 0, "size=8k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	for name, err := range map[string]error{
		"overlay": CreateOverlay(filepath.Join(dir, "disk.qcow2"), "/backing", ispctl.GiB),
		"seed":    WriteSeed(filepath.Join(dir, "seed.iso"), seedOf(map[string][]byte{"meta-data": make([]byte, 1<<20)})),
	} {
		if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, want ENOSPC with the path", name, err)
		}
	}
	if names := ls(t, dir); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
}

// TestGrowInUse grows a disk that a QEMU has open.
func TestGrowInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	create(t, path, raw(t, 512))
	holder := exec.Command("qemu-io", "-f", "qcow2", path)
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil { // the prompt: it is open
		t.Fatal(err)
	}
	err = GrowOverlay(t.Context(), path, 2*ispctl.GiB)
	if ispctl.KindOf(err) != ispctl.Conflict {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(stdin.Close(), holder.Wait()); err != nil {
		t.Fatal(err)
	}
	if err := GrowOverlay(t.Context(), path, 2*ispctl.GiB); err != nil {
		t.Errorf("after it was closed: %v", err)
	}
}
