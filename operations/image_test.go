package operations_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/images"
	"ispctl/internal/testkit"
	"ispctl/operations"
	"ispctl/templates"
)

// importDisk takes a disk of so many sectors in, and returns its digest.
func (w *world) importDisk(name string, sectors int) string {
	w.t.Helper()
	disk := make([]byte, sectors*512)
	copy(disk, "\xeb\xfe") // jmp .
	copy(disk[510:], "\x55\xaa")
	file := filepath.Join(w.t.TempDir(), "disk")
	if err := os.WriteFile(file, disk, 0o600); err != nil {
		w.t.Fatal(err)
	}
	v, err := w.ImportImage(w.t.Context(), file, images.ImportOptions{Name: ispctl.Name(name), Source: "disk"})
	if err != nil {
		w.t.Fatal(err)
	}
	if v.Boot != "disk" || v.Size != int64(len(disk)) {
		w.t.Errorf("imported %+v", v)
	}
	return v.Digest
}

// ownTemplates puts templates where an operator's are.
func (w *world) ownTemplates(texts map[string]string) {
	w.t.Helper()
	dir := w.t.TempDir()
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	set, err := templates.Load(dir)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Templates = set
}

// TestImageBoots makes VMs of an image that boots by its disk: the template has to
// agree, or say nothing.
func TestImageBoots(t *testing.T) {
	testkit.Need(t, testkit.Root)
	w := newWorld(t)
	w.importDisk("theirs", 2048)
	w.ownTemplates(map[string]string{
		"a": "name: theirs-disk\nimage: theirs\nboot: disk\n",
		"b": "name: theirs-kernel\nimage: theirs\nboot: kernel\n",
		"c": "name: ours-disk\nimage: micro\nboot: disk\n",
	})
	for template, want := range map[string]string{
		"theirs-disk": "", "micro": "",
		"theirs-kernel": `boots by kernel, and its image "theirs" by disk`,
		"ours-disk":     `boots by disk, and its image "micro" by kernel`,
	} {
		s := spec("vm-" + template)
		s.Template = template
		// The layers were made with the builtin templates: intent is enough here.
		_, err := w.CreateVM(t.Context(), s, false, operations.Options{DryRun: true})
		refused := err != nil && strings.Contains(err.Error(), "boots by")
		if refused != (want != "") || refused && (ispctl.KindOf(err) != ispctl.Conflict || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", template, err)
		}
	}
}

// TestPruneImages keeps what VMs were made from and the newest of each name.
func TestPruneImages(t *testing.T) {
	testkit.Need(t, testkit.Root)
	w := newWorld(t)
	w.create("web1") // of micro, which is not in the store: a row alone
	older := w.importDisk("theirs", 2048)
	newer := w.importDisk("theirs", 4096)
	stray := filepath.Join(w.Images.Dir, ".pull-0")
	if err := os.Mkdir(stray, 0o700); err != nil {
		t.Fatal(err)
	}
	prune := func(all, dry bool) []string {
		t.Helper()
		said, err := w.PruneImages(t.Context(), all, dry)
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	for range 2 {
		if diff := cmp.Diff([]string{"- image theirs " + older}, prune(false, true)); diff != "" {
			t.Errorf("dry run (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"- image theirs " + older, "- unfinished transfers: 1"}, prune(false, false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if said := prune(false, false); len(said) != 0 {
		t.Errorf("twice: %v", said)
	}
	if diff := cmp.Diff([]string{"- image theirs " + newer}, prune(true, false)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if names := w.model().Images; len(names) != 1 || names[0].Name != "micro" {
		t.Errorf("left %+v", names)
	}
	// An image that was put there an hour ago, and has no row, is nobody's.
	lost := w.importDisk("lost", 2048)
	if _, err := w.RemoveImage(t.Context(), lost[:12], false); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(w.Images.Dir); err != nil || len(entries) != 0 {
		t.Errorf("the store holds %v, %v", entries, err)
	}
}

// TestVerifyImages tells the damaged one from the sound one.
func TestVerifyImages(t *testing.T) {
	testkit.Need(t, testkit.Root)
	w := emptyWorld(t)
	sound := w.importDisk("sound", 2048)
	damaged := w.importDisk("damaged", 4096)
	path := w.Paths.ImageDisk(damaged)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[1000] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	verdicts, err := w.VerifyImages(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), damaged) || strings.Contains(err.Error(), sound) || len(verdicts) != 2 || verdicts[0].Sound || !verdicts[1].Sound {
		t.Errorf("%+v, %v", verdicts, err)
	}
	if verdicts, err := w.VerifyImages(t.Context(), sound[:8]); err != nil || len(verdicts) != 1 {
		t.Errorf("%+v, %v", verdicts, err)
	}
	v, err := w.Image(t.Context(), "sound")
	if err != nil || v.Source != "disk" || v.Digest != sound || len(v.SHA256) != 1 || v.Built.After(time.Now()) {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestKnownImages has what is built beside what is pulled.
func TestKnownImages(t *testing.T) {
	w := newWorld(t)
	all, err := w.KnownImages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	how := map[ispctl.Name]string{}
	for _, k := range all {
		how[k.Name] = k.How
		if k.InStore != (k.Name == "micro") {
			t.Errorf("%+v", k)
		}
	}
	if how["debian-12"] != "build" || how["ubuntu-24-04"] != "pull" || how["alpine-3-23"] != "pull" {
		t.Errorf("%v", how)
	}
}
