package operations

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"unicode/utf8"

	"ispctl/templates"
)

// TemplateList lists the templates.
func (p *Provider) TemplateList(ctx context.Context) ([]TemplateView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	var views []TemplateView
	for _, t := range p.Templates.List() {
		views = append(views, viewTemplate(t, len(m.ImagesCalled(string(t.Image))) > 0))
	}
	return views, nil
}

func viewTemplate(t templates.Template, built bool) TemplateView {
	v := TemplateView{
		Name: t.Name, Description: t.Description, Image: t.Image, Login: t.Login, ImageBuilt: built,
		From: t.From, Plan: t.Plan, Boot: t.Boot, Setup: t.Setup, Console: t.Console, Packages: t.Packages, Services: t.Services,
	}
	for _, u := range t.Users {
		v.Users = append(v.Users, u.Name)
	}
	for _, f := range t.Files {
		v.Files = append(v.Files, f.Path)
	}
	for _, s := range t.Steps {
		program := "(script)"
		if len(s.Run) > 0 {
			program = s.Run[0]
		}
		v.Steps = append(v.Steps, program)
	}
	return v
}

// Template shows one template.
func (p *Provider) Template(ctx context.Context, name string) (TemplateView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return TemplateView{}, err
	}
	t, err := p.Templates.Get(name)
	if err != nil {
		return TemplateView{}, err
	}
	return viewTemplate(t, len(m.ImagesCalled(string(t.Image))) > 0), nil
}

// RenderTemplate is what a VM would be told, were it made from this template:
// the files of its seed, sorted by name.
func (p *Provider) RenderTemplate(ctx context.Context, name, vmName string) ([]SeedFile, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	t, err := p.Templates.Get(name)
	if err != nil {
		return nil, err
	}
	vm, err := m.VM(vmName)
	if err != nil {
		return nil, err
	}
	vm.Template = t.Name
	// Without the private half of its host key: that is its own.
	_, in, err := seedInput(p.Templates, m, vm)
	if err != nil {
		return nil, err
	}
	files, err := templates.Seed(t, in)
	if err != nil {
		return nil, err
	}
	var all []SeedFile
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := SeedFile{Name: name, Content: string(files[name])}
		if !utf8.Valid(files[name]) || slices.Contains(files[name], 0) {
			f.Encoding, f.Content = "base64", base64.StdEncoding.EncodeToString(files[name])
		}
		all = append(all, f)
	}
	return all, nil
}
