package images

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/internal/testkit"
)

// childEnv turns the test binary into a process that adds images to the store
// it names, for as long as it lives.
const childEnv = "ISPCTL_TEST_ADD_TO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(importEnv); dir != "" {
		if err := importAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(childEnv); dir != "" {
		fmt.Println(addForever(&Store{Dir: dir}))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func addForever(s *Store) error {
	for {
		stage, err := s.Stage()
		if err != nil {
			return err
		}
		for _, name := range contents {
			if err := os.WriteFile(filepath.Join(stage.Dir, name), []byte(rand.Text()), 0o600); err != nil {
				return err
			}
		}
		image, err := s.Add(context.Background(), stage.Dir, Manifest{Name: "child"})
		if err != nil {
			return err
		}
		if err := stage.Close(); err != nil {
			return err
		}
		if err := s.Remove(context.Background(), image.Digest); err != nil {
			return err
		}
	}
}

// add makes an image whose disk holds the text.
func add(t testing.TB, s *Store, name ispctl.Name, text string) ispctl.Image {
	t.Helper()
	stage, err := s.Stage()
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	for _, file := range contents {
		write(t, filepath.Join(stage.Dir, file), text)
	}
	image, err := s.Add(t.Context(), stage.Dir, Manifest{Name: name, Cmdline: "quiet <&>", Recipe: "r"})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestStore(t *testing.T) {
	ctx := t.Context()
	s := &Store{Dir: filepath.Join(t.TempDir(), "images")}
	if all, err := s.List(ctx); err != nil || len(all) != 0 {
		t.Fatalf("a store that is not there: %v, %v", all, err)
	}
	before := time.Now().Add(-time.Millisecond)
	debian := add(t, s, "debian-12", "one")
	micro := add(t, s, "micro", "two")
	newer := add(t, s, "debian-12", "three")
	if debian.Size != 3 || debian.Cmdline != "quiet <&>" || debian.Built.Before(before) || debian.Built.Location() != time.UTC {
		t.Errorf("added %+v", debian)
	}
	if again := add(t, s, "micro", "two"); again != micro {
		t.Errorf("the same content again is %+v, not %+v", again, micro)
	}
	all, err := s.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]ispctl.Image{newer, debian, micro}, all); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	for _, image := range all {
		if got, err := s.Get(ctx, image.Digest); err != nil || got != image {
			t.Errorf("get %s: %+v, %v", image.Digest, got, err)
		}
		if err := s.Verify(ctx, image.Digest); err != nil {
			t.Error(err)
		}
		dir := filepath.Join(s.Dir, image.Digest)
		if sum := testkit.Sh(t, "sha256sum", filepath.Join(dir, manifestFile)); !strings.HasPrefix(sum, image.Digest) {
			t.Errorf("sha256sum of the manifest of %s: %s", image.Digest, sum)
		}
		for _, name := range ls(t, dir) {
			if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != 0o444 {
				t.Errorf("%s: %v, %v", name, st.Mode(), err)
			}
		}
	}
	for range 2 {
		if err := s.Remove(ctx, debian.Digest); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := s.List(ctx); err != nil || !cmp.Equal(all, []ispctl.Image{newer, micro}) {
		t.Errorf("after removal: %v, %v", all, err)
	}
	if names := ls(t, s.Dir); len(names) != 2 {
		t.Errorf("the store holds %v", names)
	}
}

func TestStoreNotFound(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	image := add(t, s, "micro", "x")
	for _, digest := range []string{"", ".", "..", "../etc", strings.Repeat("0", 64), strings.ToUpper(image.Digest)} {
		_, err := s.Get(t.Context(), digest)
		if ispctl.KindOf(err) != ispctl.NotFound || !strings.Contains(err.Error(), image.Digest) {
			t.Errorf("get %q: %v", digest, err)
		}
		if err := s.Verify(t.Context(), digest); ispctl.KindOf(err) != ispctl.NotFound {
			t.Errorf("verify %q: %v", digest, err)
		}
		if err := s.Remove(t.Context(), digest); err != nil {
			t.Errorf("remove %q: %v", digest, err)
		}
	}
	if _, err := s.Get(t.Context(), image.Digest); err != nil {
		t.Error(err)
	}
}

// TestStoreDamage harms an image in every file and asks who notices. Reading
// the manifest alone must find what costs nothing to find.
func TestStoreDamage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		harm   func(t *testing.T, dir string)
		lister bool // List and Get notice, not Verify alone
		want   string
	}{
		{"disk", func(t *testing.T, dir string) { overwrite(t, dir, diskFile, "y") }, false, "disk.raw has changed"},
		{"kernel", func(t *testing.T, dir string) { overwrite(t, dir, kernelFile, "yy") }, false, "vmlinuz has changed"},
		{"initrd", func(t *testing.T, dir string) { overwrite(t, dir, initrdFile, "") }, false, "initrd.img has changed"},
		{"short disk", func(t *testing.T, dir string) { overwrite(t, dir, diskFile, "") }, true, "has 0 bytes, not 1"},
		{"no kernel", func(t *testing.T, dir string) { remove(t, dir, kernelFile) }, true, "vmlinuz"},
		{"no manifest", func(t *testing.T, dir string) { remove(t, dir, manifestFile) }, true, "manifest.json"},
		{"another manifest", func(t *testing.T, dir string) {
			m, err := os.ReadFile(filepath.Join(dir, manifestFile))
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, dir, manifestFile, strings.Replace(string(m), "quiet", "init=/bin/sh", 1))
		}, true, "manifest.json has changed"},
		{"no JSON", func(t *testing.T, dir string) { overwrite(t, dir, manifestFile, "{") }, true, "manifest.json"},
		{"unknown key", func(t *testing.T, dir string) { overwrite(t, dir, manifestFile, `{"a":1}`) }, true, "unknown field"},
		{"no time", func(t *testing.T, dir string) { overwrite(t, dir, builtFile, "yesterday") }, true, "yesterday"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &Store{Dir: t.TempDir()}
			good := add(t, s, "good", "g")
			bad := add(t, s, "bad", "x")
			tt.harm(t, filepath.Join(s.Dir, bad.Digest))
			if err := s.Verify(t.Context(), bad.Digest); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), bad.Digest) {
				t.Errorf("verify: %v", err)
			}
			if _, err := s.Get(t.Context(), bad.Digest); tt.lister != (err != nil) {
				t.Errorf("get: %v", err)
			}
			all, err := s.List(t.Context())
			if tt.lister != (err != nil) || len(all) == 0 || all[len(all)-1] != good {
				t.Errorf("list: %v, %v", all, err)
			}
			if err := s.Verify(t.Context(), good.Digest); err != nil {
				t.Error(err)
			}
			if err := s.Remove(t.Context(), bad.Digest); err != nil {
				t.Errorf("a damaged image cannot be removed: %v", err)
			}
		})
	}
}

func overwrite(t testing.TB, dir, name, text string) {
	t.Helper()
	remove(t, dir, name)
	write(t, filepath.Join(dir, name), text)
}

func remove(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func TestAddRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"no disk", func(t *testing.T, dir string) { remove(t, dir, diskFile) }, "disk.raw"},
		{"empty initrd", func(t *testing.T, dir string) { overwrite(t, dir, initrdFile, "") }, "is empty"},
		{"a link for a kernel", func(t *testing.T, dir string) {
			remove(t, dir, kernelFile)
			if err := os.Symlink("/etc/passwd", filepath.Join(dir, kernelFile)); err != nil {
				t.Fatal(err)
			}
		}, "no regular file"},
		{"something more", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "notes"), "x") }, "does not belong"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &Store{Dir: t.TempDir()}
			stage, err := s.Stage()
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range contents {
				write(t, filepath.Join(stage.Dir, file), "x")
			}
			tt.spoil(t, stage.Dir)
			if _, err := s.Add(t.Context(), stage.Dir, Manifest{Name: "micro"}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("add: %v", err)
			}
			if err := stage.Close(); err != nil {
				t.Error(err)
			}
			if names := ls(t, s.Dir); len(names) != 0 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

// TestStoreSurvivesKill kills a process that adds and removes images, again and
// again: what is visible is always whole, and the next stage sweeps the rest,
// but not that of a process that lives.
func TestStoreSurvivesKill(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	living, err := s.Stage()
	if err != nil {
		t.Fatal(err)
	}
	defer living.Close()
	for round := range 25 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+s.Dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(5+7*round%40) * time.Millisecond)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if child.Wait() == nil || child.ProcessState.ExitCode() != -1 {
			t.Fatalf("the child ended by itself: %v", child.ProcessState)
		}
		all, err := s.List(t.Context())
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for _, image := range all {
			if err := s.Verify(t.Context(), image.Digest); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
		}
		next, err := s.Stage()
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
		if names := ls(t, s.Dir); len(names) != len(all)+1 {
			t.Fatalf("round %d: the store holds %v", round, names)
		}
	}
	if _, err := os.Stat(living.Dir); err != nil {
		t.Errorf("a stage in use was swept: %v", err)
	}
}
