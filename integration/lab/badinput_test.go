package lab

import (
	"slices"
	"strings"
	"testing"

	"ispctl/internal/testkit"
)

func TestBadInput(t *testing.T) {
	testkit.Need(t, testkit.Root)
	packages := []Package{{Path: testdata + "outcomes"}}
	run := func(t *testing.T, packages []Package, o Options, wants ...string) {
		t.Helper()
		if o.CacheDir == "" {
			o.CacheDir = t.TempDir()
		}
		_, err := Run(t.Context(), Debian12(), packages, o)
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the error lacks %q:\n%v", want, err)
			}
		}
	}
	t.Run("programs are missing", func(t *testing.T) {
		t.Setenv("PATH", "/nonexistent")
		run(t, packages, Options{}, "qemu-system-x86_64 is not installed; run: apt-get install qemu-system-x86", "apt-get install e2fsprogs", "apt-get install zstd")
	})
	t.Run("no packages", func(t *testing.T) {
		run(t, nil, Options{}, "lab debian-12: there are no packages to test")
	})
	t.Run("no space", func(t *testing.T) {
		dir := t.TempDir()
		testkit.Sh(t, "mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", dir)
		defer testkit.Sh(t, "umount", dir)
		run(t, packages, Options{CacheDir: dir}, dir+": 1 MiB are free, 2048 are needed")
	})
	t.Run("mirror is down, and nothing cached", func(t *testing.T) {
		run(t, packages, Options{Mirror: "http://127.0.0.1:1/debian/"},
			"there is none in the cache", "packages of bookworm: mmdebstrap: exit status", "127.0.0.1:1")
	})
	t.Run("a package without tests", func(t *testing.T) {
		o, _ := ownCache(t)
		run(t, []Package{{Path: "ispctl/cmd/ispctl"}}, o, "package ispctl/cmd/ispctl has no tests")
	})
	t.Run("no such package", func(t *testing.T) {
		o, _ := ownCache(t)
		run(t, []Package{{Path: "ispctl/nonsense"}}, o, "ispctl/nonsense")
	})
	t.Run("no such flavour", func(t *testing.T) {
		if _, err := Find("plan-9"); err == nil || !strings.Contains(err.Error(), `flavour "plan-9" not found (have: debian-12, debian-13, systemd, xen)`) {
			t.Error(err)
		}
	})
}

func TestNewer(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"2.36", "2.36-9+deb12u14", false},
		{"2.38", "2.36-9+deb12u14", true},
		{"2.4", "2.36", false},
		{"3.0", "2.36", true},
		{"", "2.36", false},
		{"2.2.5", "", true},
	} {
		if got := newer(c.a, c.b); got != c.want {
			t.Errorf("newer(%q, %q) = %t", c.a, c.b, got)
		}
	}
}

// TestCommandLine holds against each other what a saved memory is told by, and
// what differs from run to run: no path is in it.
func TestCommandLine(t *testing.T) {
	for _, arg := range slices.Concat(Debian12().hardware(false), Xen().hardware(false)) {
		if strings.Contains(arg, "/") {
			t.Errorf("%q belongs to one run", arg)
		}
	}
	if got := quote("it's"); got != `'it'\''s'` {
		t.Error(got)
	}
	if got := comma("a,b"); got != "a,,b" {
		t.Error(got)
	}
}
