package templates

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"ispctl"
)

// Encode writes a template down as [Load] reads it.
func (t Template) Encode() ([]byte, error) {
	text, err := yaml.Dump(t, yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("template %q: %w", t.Name, err)
	}
	return text, nil
}

// Emptied is the template of a disk on which its recipe was done already: without
// packages, files and steps, and on an image of its own.
func (t Template) Emptied(name, image ispctl.Name, description string) Template {
	t.Name, t.Image, t.Description, t.From = name, image, description, ""
	t.Packages, t.Files, t.Steps = nil, nil, nil
	return t
}

// OwnFile is the file, in a directory of the operator's, that a template is in;
// empty: it comes with ispctl.
func OwnFile(dir string, name ispctl.Name) (string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read templates: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".yaml") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read template: %w", err)
		}
		if t, err := decode(path, data); err == nil && t.Name == name {
			return path, nil
		}
	}
	return "", nil
}
