package operations_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"ispctl"
	"ispctl/converge"
	"ispctl/images"
	"ispctl/operations"
	"ispctl/templates"
)

// TestOwnTemplates: what may not be made or removed, and why. What is made of a
// real disk is for the guest ring.
func TestOwnTemplates(t *testing.T) {
	w := withVMs(t)
	dir := w.Paths.Templates()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"own": "name: own\nimage: micro\n", "heir": "name: heir\nfrom: own\n", "used": "name: used\nimage: micro\n"} {
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() {
		t.Helper()
		var err error
		if w.Templates, err = templates.Load(dir); err != nil {
			t.Fatal(err)
		}
		w.Layers[0] = converge.NewLayer("disks", images.Desired(operations.Seed(w.Templates, operations.HostKeys{File: w.Paths.HostKeys()})), images.Diff, w.disks)
	}
	load()
	s := spec("web9")
	s.Template = "used"
	w.ok(w.CreateVM(t.Context(), s, false, options{}))
	create := func(name ispctl.Name, vm string) error {
		_, err := w.CreateTemplate(t.Context(), name, vm, "", nil)
		return err
	}
	refused(t, create("own", "web1"), ispctl.Conflict, `template "own"`, "already")
	refused(t, create("micro", "web1"), ispctl.Conflict, "already")
	refused(t, create("shop", "web7"), ispctl.NotFound, `vm "web7"`)
	if m := w.model(); len(m.VMs[0].Snapshots) > 0 {
		t.Errorf("a snapshot was left: %+v", m.VMs[0].Snapshots)
	}

	remove := func(name string) error {
		_, err := w.DeleteTemplate(t.Context(), name, false)
		return err
	}
	refused(t, remove("own"), ispctl.Conflict, `template "own"`, "heir")
	refused(t, remove("used"), ispctl.Conflict, "web9")
	refused(t, remove("micro"), ispctl.Conflict, "comes with ispctl")
	refused(t, remove("nope"), ispctl.NotFound, "nope")
	if said, err := w.DeleteTemplate(t.Context(), "nope", true); err != nil || len(said) > 0 {
		t.Errorf("%v, %v", said, err)
	}
	if err := remove("heir"); err != nil {
		t.Fatal(err)
	}
	load()
	if err := remove("own"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "own.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its file: %v", err)
	}
}
