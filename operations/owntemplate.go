package operations

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ispctl"
	"ispctl/images"
	"ispctl/state"
	"ispctl/templates"
)

// CreateTemplate makes a template, and the image of the same name that it is of,
// from what a VM's first disk holds now, cleaned of what is that VM's own. The VM
// goes on meanwhile, and nobody waits while bytes are copied.
func (p *Provider) CreateTemplate(ctx context.Context, name ispctl.Name, vm, description string, progress func(images.Event)) (said []string, err error) {
	if _, err := p.Templates.Get(string(name)); err == nil {
		return nil, exists("template", string(name), false)
	}
	var from templates.Template
	l, err := p.lend(ctx, vm, "template create", func(m *ispctl.Model, vm ispctl.VM) error {
		if len(m.ImagesCalled(string(name))) > 0 {
			return &ispctl.Error{
				Kind: ispctl.Conflict, Object: fmt.Sprintf("image %q", name), Cause: "is there already, and the template's is to be called that",
				Next: "choose another name, or remove it: ispctl image remove " + string(name),
			}
		}
		if vm.Rescue != "" {
			return inRescue(vm)
		}
		image, ok := m.ImageByDigest(vm.Image)
		if !ok || image.DiskBoot {
			return &ispctl.Error{
				Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", vm.Name), Cause: "boots by its own disk, which has partitions that cannot be cleaned from outside",
				Next: "clean it inside, and take it as an image: ispctl vm export, ispctl image import",
			}
		}
		var err error
		from, err = p.Templates.Get(string(vm.Template))
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.giveBack(ctx, l)) }()
	image, _ := l.model.ImageByDigest(l.vm.Image)
	captured, err := images.Capture(ctx, p.Images, images.CaptureOptions{
		Name: name, Boot: p.Paths.Image(l.vm.Image), Cmdline: image.Cmdline, Source: fmt.Sprintf("vm %q", vm), Progress: progress,
		Disk: images.Copy{
			From: l.model.Paths.DiskOf(l.vm), Backing: l.model.Paths.ImageDisk(l.vm.Image), Tag: l.tag, UID: int64(l.model.Installation.GuestUID(l.vm.ID)),
		},
	})
	if err != nil {
		return nil, err
	}
	if _, err := p.register(ctx, "template create", captured); err != nil {
		return nil, err
	}
	text, err := from.Emptied(name, name, description).Encode()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(p.Paths.Templates(), 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(p.Paths.Templates(), string(name)+".yaml")
	if err := images.WriteFile(file, text, false); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("+ image %s %s", name, captured.Digest), fmt.Sprintf("+ template %s in %s", name, file)}, nil
}

// DeleteTemplate removes a template of the operator's that no VM was made from.
// Its image stays.
func (p *Provider) DeleteTemplate(ctx context.Context, name string, ifExists bool) ([]string, error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock() //nolint:errcheck // it goes with the process
	t, err := p.Templates.Get(name)
	if err != nil {
		return nil, missing(err, ifExists)
	}
	file, err := templates.OwnFile(p.Paths.Templates(), t.Name)
	if err != nil {
		return nil, err
	}
	if file == "" {
		return nil, ispctl.Conflicting("template", name, "comes with ispctl; one of that name in %s takes its place", p.Paths.Templates())
	}
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	var users, heirs []ispctl.Name
	for _, vm := range m.VMs {
		if vm.Template == t.Name {
			users = append(users, vm.Name)
		}
	}
	for _, other := range p.Templates.List() {
		if other.From == t.Name {
			heirs = append(heirs, other.Name)
		}
	}
	switch {
	case len(users) > 0:
		return nil, inUse("template", name, "vm", users, "destroy them first: ispctl vm destroy")
	case len(heirs) > 0:
		return nil, inUse("template", name, "template", heirs, "they come from it")
	}
	_, err = p.Store.Update(ctx, state.Entry{Actor: p.Actor, Operation: "template delete", Object: "template " + name}, func(*state.Tx) error { return os.Remove(file) })
	if err != nil {
		return nil, err
	}
	return []string{"- template " + name + "; its image stays: ispctl image remove " + string(t.Image)}, nil
}
