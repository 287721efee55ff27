package templates_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/templates"
)

// TestEncodeIsRead: what is written down is read as it was.
func TestEncodeIsRead(t *testing.T) {
	dir := t.TempDir()
	const own = `name: own
description: "no: yes"
from: debian-12
plan: small
packages: [nginx]
users: [{name: anna, groups: [adm], sudo: true}]
files: [{path: /etc/own, content: "a\nb: [c"}]
steps: [{run: [touch, /etc/done]}, {script: "#!/bin/sh\ntrue\n"}]
services: [80/tcp]
`
	if err := os.WriteFile(filepath.Join(dir, "x.yaml"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := templates.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := set.Get("own")
	if err != nil {
		t.Fatal(err)
	}
	emptied := whole.Emptied("shop", "shop-disk", "null")
	if len(emptied.Packages)+len(emptied.Files)+len(emptied.Steps) > 0 || emptied.From != "" || emptied.Plan != "small" || len(emptied.Users) != 1 {
		t.Errorf("emptied: %+v", emptied)
	}
	for _, one := range []templates.Template{whole.Emptied("all", whole.Image, whole.Description), emptied} {
		text, err := one.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, string(one.Name)+".yaml"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := templates.Load(dir)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		got, err := again.Get(string(one.Name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one, got); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, text)
		}
	}
	for name, want := range map[ispctl.Name]string{"own": "x.yaml", "shop": "shop.yaml", "debian-12": ""} {
		file, err := templates.OwnFile(dir, name)
		if err != nil || filepath.Base(file) != want && !(want == "" && file == "") {
			t.Errorf("%s is in %q, %v; want %q", name, file, err, want)
		}
	}
	if file, err := templates.OwnFile(filepath.Join(dir, "none"), "own"); file != "" || err != nil {
		t.Errorf("of no directory: %q, %v", file, err)
	}
	if text, err := emptied.Encode(); err != nil || strings.Contains(string(text), "packages") {
		t.Errorf("it writes down what it has not: %s", text)
	}
}
