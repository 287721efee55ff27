package images

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/internal/testkit"
)

func TestSources(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sources.list.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "sources.list"), `
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/x.gpg] http://mirror.example/debian/ bookworm main contrib # near
deb-src http://source.example/debian bookworm main
deb http://trixie.example/debian trixie main
deb file:/srv/debian bookworm main
`)
	d := filepath.Join(dir, "sources.list.d")
	write(t, filepath.Join(d, "google-cloud.list"), "deb https://packages.cloud.google.com/apt cloud-sdk-bookworm main\n")
	write(t, filepath.Join(d, "off.sources"), "Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm-updates\nComponents: main\n")
	write(t, filepath.Join(d, "debian.sources"), "Types: deb deb-src\n# a comment\nURIs: http://security.example/debian-security\nSuites:\n bookworm-security\nComponents: main\n\n"+
		"Types: deb\nURIs: https://deb.nodesource.com/node_20.x\nSuites: nodistro\nComponents: main\n")
	write(t, filepath.Join(d, "ignored.bak"), "deb http://bak.example/debian bookworm-updates main\n")
	host, err := hostSources(dir)
	if err != nil {
		t.Fatal(err)
	}
	signed := "deb [signed-by=" + keyring + "] "
	for _, tt := range []struct {
		name, suite, mirror string
		host                []aptSource
		want                []string
	}{
		{"the host's own", "bookworm", "", host, []string{
			"http://mirror.example/debian bookworm", "http://deb.debian.org/debian bookworm-updates", "http://security.example/debian-security bookworm-security",
		}},
		{"a mirror wins", "bookworm", "http://m.example/debian/", host, []string{
			"http://m.example/debian bookworm", "http://m.example/debian bookworm-updates", "http://m.example/debian-security bookworm-security",
		}},
		{"another release", "forky", "", host, []string{
			"http://deb.debian.org/debian forky", "http://deb.debian.org/debian forky-updates", "http://deb.debian.org/debian-security forky-security",
		}},
	} {
		var want []string
		for _, w := range tt.want {
			want = append(want, signed+w+" main")
		}
		if diff := cmp.Diff(want, sources(tt.suite, tt.mirror, tt.host)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if none, err := hostSources(t.TempDir()); err != nil || len(none) != 0 {
		t.Errorf("a host without apt: %v, %v", none, err)
	}
}

// TestCatalogue checks that every recipe has what a build will ask for, and
// that its hash tells it from the others and from its changes.
func TestCatalogue(t *testing.T) {
	seen := map[string]string{}
	note := func(what string, r Recipe, sources ...string) {
		hash, err := r.hash(sources)
		if err != nil || !digestPattern.MatchString(hash) {
			t.Fatalf("%s: %q, %v", what, hash, err)
		}
		if other, taken := seen[hash]; taken {
			t.Errorf("%s hashes like %s", what, other)
		}
		seen[hash] = what
	}
	for _, r := range Catalogue() {
		name := string(r.Name)
		if found, err := FindRecipe(name); err != nil || !cmp.Equal(found, r) {
			t.Errorf("find %s: %v", name, err)
		}
		if _, err := recipeFiles.ReadFile("recipes/" + r.files() + "/build.sh"); err != nil {
			t.Error(err)
		}
		if r.Size < ispctl.MinDisk || !strings.Contains(r.Cmdline, "console=ttyS0") {
			t.Errorf("recipe %+v", r)
		}
		note(name, r, "a")
		note(name+" from another mirror", r, "b")
		r.Cmdline += " debug"
		note(name+" with another command line", r, "a")
		r.Packages = append([]string{"vim"}, r.Packages...)
		note(name+" with another package", r, "a")
	}
	if _, err := FindRecipe("plan9"); ispctl.KindOf(err) != ispctl.NotFound || !strings.Contains(err.Error(), "debian-12, debian-13, micro") {
		t.Errorf("find plan9: %v", err)
	}
}

var shellcheck = testkit.Feature{Name: "shellcheck", Probe: func() error { return exec.Command("shellcheck", "--version").Run() }}

func TestScripts(t *testing.T) {
	testkit.Need(t, shellcheck)
	checked := 0
	err := fs.WalkDir(os.DirFS("."), "recipes", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		embedded, err := recipeFiles.ReadFile(name)
		if err != nil || string(embedded) != string(data) {
			t.Errorf("%s is not embedded as it is (%v)", name, err)
		}
		if strings.HasPrefix(string(data), "#!/bin/sh\n") {
			testkit.Sh(t, "shellcheck", "-s", "sh", name)
			checked++
		}
		return nil
	})
	if err != nil || checked < 5 {
		t.Errorf("%d scripts checked, %v", checked, err)
	}
}

// TestInitramfs unpacks the archive with another program.
func TestInitramfs(t *testing.T) {
	packages := t.TempDir()
	for _, dir := range []string{"bin", "lib/modules/6.1.0/kernel/drivers"} {
		if err := os.MkdirAll(filepath.Join(packages, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(packages, "bin/busybox"), "an odd size")
	// Those that all images need, and those of one recipe.
	const extra = "virtio_balloon"
	names := append(slices.Clone(modules[:]), extra)
	for _, m := range names {
		write(t, filepath.Join(packages, "lib/modules/6.1.0/kernel/drivers", m+".ko"), m)
	}
	data, err := initramfs(packages, Recipe{Modules: []string{extra}})
	if err != nil {
		t.Fatal(err)
	}
	tree := t.TempDir()
	unpack := exec.Command("bsdcpio", "-idu", "--quiet")
	unpack.Dir, unpack.Stdin = tree, strings.NewReader(string(data))
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("bsdcpio: %v: %s", err, out)
	}
	order, err := os.ReadFile(filepath.Join(tree, "modules/order"))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(names, ".ko\n") + ".ko\n"; string(order) != want {
		t.Errorf("order: %q", order)
	}
	for _, m := range names {
		if got, err := os.ReadFile(filepath.Join(tree, "modules", m+".ko")); err != nil || string(got) != m {
			t.Errorf("%s: %q, %v", m, got, err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(tree, "bin/sh")); err != nil || string(got) != "an odd size" {
		t.Errorf("bin/sh: %q, %v", got, err)
	}
	if st, err := os.Stat(filepath.Join(tree, "init")); err != nil || st.Mode() != 0o755 {
		t.Errorf("init: %v, %v", st, err)
	}
	remove(t, packages, "lib/modules/6.1.0/kernel/drivers/isofs.ko")
	if _, err := initramfs(packages, Recipe{}); err == nil || !strings.Contains(err.Error(), "isofs") {
		t.Errorf("without isofs: %v", err)
	}
}

// TestInitramfsOfDebian13 has its parts under /usr, its modules compressed, and
// some of them inside the kernel.
func TestInitramfsOfDebian13(t *testing.T) {
	packages := t.TempDir()
	lib := filepath.Join(packages, "usr/lib/modules/6.12.0")
	for _, dir := range []string{lib, filepath.Join(packages, "usr/bin")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(packages, "usr/bin/busybox"), "busybox")
	write(t, filepath.Join(lib, "modules.builtin"), "kernel/drivers/virtio/virtio.ko\nkernel/drivers/virtio/virtio_ring.ko\n")
	for _, m := range modules[2:] {
		write(t, filepath.Join(lib, m+".ko"), "module "+m)
		testkit.Sh(t, "xz", filepath.Join(lib, m+".ko"))
	}
	data, err := initramfs(packages, Recipe{})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(data); !strings.Contains(text, strings.Join(modules[2:], ".ko\n")+".ko\n") || strings.Contains(text, "virtio_ring") || !strings.Contains(text, "module isofs") {
		t.Errorf("got %q", text)
	}
}

func TestBuildNeedsPrograms(t *testing.T) {
	testkit.Need(t, testkit.Root)
	t.Setenv("PATH", t.TempDir())
	s := &Store{Dir: t.TempDir()}
	_, err := Build(t.Context(), s, Catalogue()[0], BuildOptions{})
	if err == nil || !strings.Contains(err.Error(), "apt-get install mmdebstrap") {
		t.Errorf("got %v", err)
	}
	if names := ls(t, s.Dir); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
}
