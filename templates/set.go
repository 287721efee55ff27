package templates

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"ispctl"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// Set is the templates there are, by name.
type Set struct{ byName map[ispctl.Name]Template }

// Load reads the templates that come with ispctl, then those in the *.yaml
// files of a directory. One of the operator's replaces a builtin one of the
// same name; two of the operator's with one name are an error, and so is any
// key that is not known. A directory that is not there holds none. Errors read
// `FILE:LINE:COLUMN: REASON` and are of kind [ispctl.Usage].
func Load(dir string) (Set, error) {
	all, err := read(builtin, "builtin", "builtin")
	if err != nil {
		return Set{}, err
	}
	if dir != "" {
		own, err := read(os.DirFS(dir), ".", dir)
		if err != nil {
			return Set{}, err
		}
		maps.Copy(all, own)
	}
	byName, err := resolve(all)
	return Set{byName}, err
}

// Get finds a template; the error lists those there are.
func (s Set) Get(name string) (Template, error) {
	if t, ok := s.byName[ispctl.Name(name)]; ok {
		return t, nil
	}
	return Template{}, ispctl.NotFoundError("template", name, slices.Sorted(maps.Keys(s.byName)))
}

// List returns all templates, sorted by name.
func (s Set) List() []Template {
	all := make([]Template, 0, len(s.byName))
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		all = append(all, s.byName[name])
	}
	return all
}

// read decodes the *.yaml files directly in a directory, which messages call
// by its title.
func read(fsys fs.FS, dir, title string) (map[ispctl.Name]source, error) {
	all := map[ispctl.Name]source{}
	entries, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".yaml") {
			continue
		}
		data, err := fs.ReadFile(fsys, path.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read template: %w", err)
		}
		file := path.Join(title, e.Name())
		t, err := decode(file, data)
		if err != nil {
			return nil, err
		}
		if other, taken := all[t.Name]; taken {
			return nil, usage(file, 0, 0, fmt.Sprintf("the name %q is taken by %s", t.Name, other.file))
		}
		all[t.Name] = source{t, file}
	}
	return all, nil
}

// decode reads one template strictly.
func decode(file string, data []byte) (Template, error) {
	var t Template
	err := yaml.Load(data, &t, yaml.WithKnownFields(), yaml.WithUniqueKeys())
	var many *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &many):
		var errs []error
		for _, e := range many.Errors {
			errs = append(errs, usage(file, e.Mark.Line, e.Mark.Column, e.Message))
		}
		return t, errors.Join(errs...)
	case errors.As(err, &one):
		return t, usage(file, one.Mark.Line, one.Mark.Column, one.Message)
	case err != nil:
		return t, usage(file, 0, 0, err.Error())
	}
	if _, err := ispctl.ParseName("template", string(t.Name)); err != nil {
		return t, usage(file, 0, 0, err.Error())
	}
	return t, nil
}

// usage is an error at a place in a file. A reason without a place of its own
// concerns the file as a whole, which begins at 1:1.
func usage(file string, line, column int, reason string) error {
	return &ispctl.Error{
		Kind:  ispctl.Usage,
		Cause: fmt.Sprintf("%s:%d:%d: %s", file, max(line, 1), max(column, 1), reason),
	}
}
