package images

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/converge"
	"ispctl/internal/testkit"
)

const (
	uuid1 = "11111111-1111-4111-8111-111111111111"
	uuid2 = "22222222-2222-4222-8222-222222222222"
	uuid3 = "33333333-3333-4333-8333-333333333333"
)

// image is the digest of the image that all guests of these tests are made from.
var image = strings.Repeat("ab", 32)

// seed is the least one that depends on what a seed depends on.
func seed(_ *ispctl.Model, vm ispctl.VM) (Seed, error) {
	keys := strings.Join(vm.SSHKeys, "\n")
	return Seed{
		Digest: fmt.Sprintf("%x", sha256.Sum256([]byte(vm.UUID+" "+string(vm.Name)+" "+keys))),
		Files: func() (map[string][]byte, error) {
			return map[string][]byte{
				"meta-data":       []byte("instance-id: " + vm.UUID + "\n"),
				"user-data":       []byte(keys),
				"ispctl/hostname": []byte(vm.Name),
			}, nil
		},
	}, nil
}

func guest(name, uuid, plan string, keys ...string) ispctl.VM {
	return ispctl.VM{
		UUID: uuid, Name: ispctl.Name(name), Plan: ispctl.Name(plan),
		Image: image, SSHKeys: keys, Wanted: ispctl.Running,
	}
}

func model(root string, vms ...ispctl.VM) *ispctl.Model {
	return &ispctl.Model{
		Installation: ispctl.Installation{Prefix: "isp"},
		Paths:        ispctl.Paths{Root: root},
		Plans: []ispctl.Plan{
			{Name: "large", CPUs: 1, Memory: ispctl.GiB, Disk: 4 * ispctl.GiB},
			{Name: "small", CPUs: 1, Memory: ispctl.GiB, Disk: ispctl.GiB},
		},
		Images: []ispctl.Image{{Name: "debian-12", Digest: image, Size: 512 * ispctl.MiB}},
		VMs:    vms,
	}
}

// world is an installation with one image, and strangers in its place for
// guests. The strangers' names and contents have "foreign" in them where a
// test that lists them needs it.
func world(t testing.TB) (*Kernel, string) {
	t.Helper()
	root := t.TempDir()
	k := &Kernel{Paths: ispctl.Paths{Root: root}, Installation: "isp"}
	if err := os.MkdirAll(k.Paths.Image(image), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, k.Paths.ImageDisk(image), "a disk")
	for _, name := range []string{"foreign", "foreign/" + uuid1} {
		if err := os.MkdirAll(filepath.Join(k.Paths.Guests(), name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(k.Paths.Guests(), name, "foreign.raw"), "data")
	}
	return k, root
}

// converged brings the disk to the model and returns what is there then.
func converged(t testing.TB, k *Kernel, m *ispctl.Model) State {
	t.Helper()
	if _, err := pass(t, k, m); err != nil {
		t.Fatal(err)
	}
	have, err := k.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return have
}

func pass(t testing.TB, target converge.Target[State, Change], m *ispctl.Model) ([]converge.Change, error) {
	t.Helper()
	layer := converge.NewLayer("disks", Desired(seed), Diff, target)
	return converge.Run(context.WithoutCancel(t.Context()), []converge.Layer{layer}, m, converge.Options{})
}

// TestChanges is the dry run of a life: made, changed, grown, gone.
func TestChanges(t *testing.T) {
	f := &Fake{}
	var b strings.Builder
	for _, step := range []struct {
		title string
		model *ispctl.Model
	}{
		{"create two", model("", guest("a", uuid1, "small"), guest("b", uuid2, "large"))},
		{"give one a key", model("", guest("a", uuid1, "small", "key"), guest("b", uuid2, "large"))},
		{"a larger plan for one, a smaller for the other", model("", guest("a", uuid1, "large", "key"), guest("b", uuid2, "small"))},
		{"destroy one", model("", guest("b", uuid2, "small"))},
	} {
		changes, err := pass(t, f, step.model)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "# %s\n", step.title)
		for _, c := range changes {
			fmt.Fprintln(&b, c)
		}
		fmt.Fprintf(&b, "\n%s\n", f)
	}
	testkit.Golden(t, "changes.txt", b.String())
}

func TestGuestFilesOnDisk(t *testing.T) {
	k, root := world(t)
	m := model(root, guest("a", uuid1, "small", "key1"))
	converged(t, k, m)
	for path, mode := range map[string]os.FileMode{
		k.Paths.Guests(): 0o711, k.Paths.Guest(uuid1): 0o711, k.Paths.Disk(uuid1): 0o600, k.Paths.Seed(uuid1): 0o600,
	} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want %v", path, st.Mode(), err, mode)
		}
	}
	if got := testkit.Sh(t, "isoinfo", "-i", k.Paths.Seed(uuid1), "-x", "/user-data;1"); got != "key1" {
		t.Errorf("the seed says %q", got)
	}
	qemuIO(t, k.Paths.Disk(uuid1), "write -P 0x11 0 4096")

	// A larger plan grows the disk, and what is on it stays.
	have := converged(t, k, model(root, guest("a", uuid1, "large", "key1")))
	if have[uuid1].Size != 4*ispctl.GiB {
		t.Errorf("after a larger plan: %+v", have)
	}
	qemuIO(t, k.Paths.Disk(uuid1), "read -P 0x11 0 4096")

	// A smaller one asks for nothing.
	changes, err := pass(t, k, m)
	if err != nil || len(changes) != 0 {
		t.Errorf("a smaller plan: %v, %v", changes, err)
	}
	if names := ls(t, k.Paths.Guest(uuid1)); !cmp.Equal(names, []string{"disk.qcow2", markFile, seedFile}) {
		t.Errorf("the directory holds %v", names)
	}
}

// TestDataStays puts everything that may be in an overlay's place there. No
// pass may touch it, and no pass may fail because of it: one guest with an odd
// disk must not keep the others from coming up.
func TestDataStays(t *testing.T) {
	for _, tt := range []struct {
		name string
		put  func(t *testing.T, path string)
	}{
		{"another image", func(t *testing.T, path string) { create(t, path, raw(t, 512)) }},
		{"no backing file", func(t *testing.T, path string) { testkit.Sh(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "1M") }},
		{"a raw disk", func(t *testing.T, path string) { write(t, path, "the operator's own") }},
		{"an empty file", func(t *testing.T, path string) { write(t, path, "") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, root := world(t)
			m := model(root, guest("a", uuid1, "small"))
			converged(t, k, m)
			remove(t, k.Paths.Guest(uuid1), "disk.qcow2")
			tt.put(t, k.Paths.Disk(uuid1))
			before, err := os.ReadFile(k.Paths.Disk(uuid1))
			if err != nil {
				t.Fatal(err)
			}
			changes, err := pass(t, k, model(root, guest("a", uuid1, "large"), guest("b", uuid2, "small")))
			if err != nil || len(changes) != 5 {
				t.Errorf("%v, %v, want the four that make b, and the owner of a", changes, err)
			}
			after, err := os.ReadFile(k.Paths.Disk(uuid1))
			if err != nil || string(before) != string(after) {
				t.Errorf("the disk was touched (%v)", err)
			}
		})
	}
}

// TestForeignDirectories are never removed, never filled, and named in the
// error where a guest needs their place.
func TestForeignDirectories(t *testing.T) {
	for name, text := range map[string]string{
		"no mark":              "",
		"another installation": `{"installation":"lab","uuid":"` + uuid1 + `"}`,
		"another guest's mark": `{"installation":"isp","uuid":"` + uuid2 + `"}`,
		"no JSON":              "isp",
	} {
		t.Run(name, func(t *testing.T) {
			k, root := world(t)
			dir := k.Paths.Guest(uuid1)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if text != "" {
				write(t, filepath.Join(dir, markFile), text)
			}
			before := ls(t, dir)
			if changes, err := pass(t, k, model(root)); err != nil || len(changes) != 0 {
				t.Errorf("%v, %v", changes, err)
			}
			_, err := pass(t, k, model(root, guest("a", uuid1, "small"), guest("b", uuid2, "small")))
			faults := converge.Faults(err)
			if ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), dir) || len(faults) != 1 || faults[0].Object != "vm a" {
				t.Errorf("got %v", err)
			}
			// The engine may remove by an old plan: the mark is asked again.
			if err := k.Apply(t.Context(), []Change{{Op: RemoveDir, UUID: uuid1, Files: GuestFiles{Dir: dir}}}); err != nil {
				t.Error(err)
			}
			if after := ls(t, dir); !cmp.Equal(before, after) {
				t.Errorf("it holds %v now", after)
			}
			if _, err := os.Stat(k.Paths.Disk(uuid2)); err != nil {
				t.Errorf("the other guest was not made: %v", err)
			}
		})
	}
}

// TestHalfDirectories are what a kill leaves while a directory is made or
// removed: seen, and swept, whether or not the guest is wanted again.
func TestHalfDirectories(t *testing.T) {
	k, root := world(t)
	for _, uuid := range []string{uuid1, uuid2} {
		half := filepath.Join(k.Paths.Guests(), halfName(uuid))
		if err := os.Mkdir(half, 0o711); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(half, "disk.qcow2"), "a disk on its way out")
	}
	have := converged(t, k, model(root, guest("a", uuid1, "small")))
	if len(have) != 1 || have[uuid1].Seed == "" {
		t.Errorf("there is %v", have)
	}
	if names := ls(t, k.Paths.Guests()); !cmp.Equal(names, []string{uuid1, "foreign"}) {
		t.Errorf("the directory holds %v", names)
	}
}

func TestMissingImage(t *testing.T) {
	k, root := world(t)
	remove(t, k.Paths.Image(image), diskFile)
	_, err := pass(t, k, model(root, guest("a", uuid1, "small")))
	if ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), image) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(k.Paths.Disk(uuid1)); err == nil {
		t.Error("an overlay over nothing was made")
	}
}

// TestFakeFaults lets every change fail once; the next pass does the rest.
func TestFakeFaults(t *testing.T) {
	m := model("", guest("a", uuid1, "small"), guest("b", uuid2, "small"))
	for after := 1; after < 6; after++ {
		f := &Fake{FailAfter: after}
		if _, err := pass(t, f, m); !errors.Is(err, ErrInjected) || len(converge.Faults(err)) != 1 {
			t.Fatalf("fault after %d: %v", after, err)
		}
		f.FailAfter = 0
		rest, err := pass(t, f, m)
		if err != nil || len(rest) == 0 || len(rest) > 6-after+2 {
			t.Errorf("after %d: the rest is %v, %v", after, rest, err)
		}
		if again, err := pass(t, f, m); err != nil || len(again) != 0 {
			t.Errorf("after %d: left %v, %v", after, again, err)
		}
	}
}
