package operations_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ispctl"
	"ispctl/converge"
	"ispctl/images"
	"ispctl/operations"
	"ispctl/templates"
)

// withTemplate is a world with one VM and a template of the operator's, which
// names a plan.
func withTemplate(t *testing.T, text string) *world {
	t.Helper()
	w := withVMs(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := templates.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	w.Templates = set
	w.Layers[0] = converge.NewLayer("disks", images.Desired(operations.Seed(set, operations.HostKeys{File: w.Paths.HostKeys()})), images.Diff, w.disks)
	return w
}

func TestTemplateNamesAPlan(t *testing.T) {
	w := withTemplate(t, "name: own\nfrom: micro\nplan: small\n")
	spec := operations.VMSpec{Name: "web9", Template: "own", Zone: "dmz"}
	if _, err := w.CreateVM(t.Context(), spec, false, operations.Options{DryRun: true}); err != nil {
		t.Error(err)
	}
	spec.Template = "micro"
	_, err := w.CreateVM(t.Context(), spec, false, operations.Options{DryRun: true})
	refused(t, err, ispctl.Usage, `vm "web9": no plan is named, and template "micro" has none`)
}

// TestRenderTemplate shows what a VM would be told, and leaves the VM with what
// it was made from.
func TestRenderTemplate(t *testing.T) {
	w := withTemplate(t, "name: own\nfrom: micro\nfiles: [{path: /etc/own, content: own}]\nsteps: [{run: [touch, 'a b']}]\nservices: [80/tcp]\n")
	files, err := w.RenderTemplate(t.Context(), "own", "web1")
	if err != nil {
		t.Fatal(err)
	}
	var user, tar, step operations.SeedFile
	for _, f := range files {
		switch f.Name {
		case "user-data":
			user = f
		case "ispctl/files.tar":
			tar = f
		case "ispctl/steps/001":
			step = f
		}
	}
	if !strings.Contains(user.Content, "hostname: \"web1\"\n") || !strings.Contains(user.Content, "- - \"touch\"\n  - \"a b\"\n") || user.Encoding != "" {
		t.Errorf("user-data: %s", user.Content)
	}
	if tar.Encoding != "base64" || step.Encoding != "base64" || step.Content != "dG91Y2gAYSBiAA==" {
		t.Errorf("archive %.40v, step %v", tar, step)
	}
	view, err := w.Template(t.Context(), "own")
	if err != nil || view.From != "micro" || view.Image != "micro" || view.Files[0] != "/etc/own" || view.Steps[0] != "touch" || view.Services[0] != "80/tcp" {
		t.Errorf("%+v, %v", view, err)
	}
	if vm, err := w.VM(t.Context(), "web1"); err != nil || vm.Template != "micro" {
		t.Errorf("%+v, %v", vm, err)
	}
	_, err = w.RenderTemplate(t.Context(), "own", "web9")
	refused(t, err, ispctl.NotFound, `vm "web9" not found`)
}
