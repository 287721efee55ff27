package operations

import (
	"context"

	"ispctl"
	"ispctl/images"
	"ispctl/state"
)

// BuildImage builds an image from packages and takes it into the store. The
// build itself does not hold the host lock.
func (p *Provider) BuildImage(ctx context.Context, name string, o images.BuildOptions) (ImageView, error) {
	recipe, err := images.FindRecipe(name)
	if err != nil {
		return ImageView{}, err
	}
	image, err := images.Build(ctx, p.Images, recipe, o)
	if err != nil {
		return ImageView{}, err
	}
	entry := state.Entry{Actor: p.Actor, Operation: "image build", Object: "image " + name, Detail: image.Digest}
	m, err := p.Store.Update(ctx, entry, func(tx *state.Tx) error { return tx.PutImage(image) })
	if err != nil {
		return ImageView{}, err
	}
	return viewImage(m, image), nil
}

// RemoveImage removes an image, by name (all of that name) or digest, that no
// VM was made from.
func (p *Provider) RemoveImage(ctx context.Context, name string, ifExists bool) ([]string, error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock() //nolint:errcheck // it goes with the process
	var gone []ispctl.Image
	_, err = p.Store.Update(ctx, state.Entry{Actor: p.Actor, Operation: "image remove", Object: "image " + name}, func(tx *state.Tx) error {
		m, err := tx.Model()
		if err != nil {
			return err
		}
		gone = m.ImagesCalled(name)
		if len(gone) == 0 {
			_, err := m.Image(name)
			return missing(err, ifExists)
		}
		for _, i := range gone {
			if vms := m.VMsFrom(i.Digest); len(vms) > 0 {
				return inUse("image", name, "vm", vms, "destroy them first: ispctl vm destroy")
			}
			// The files go first: a row without them is found again and removed,
			// files without a row are found by nobody.
			if err := p.Images.Remove(ctx, i.Digest); err != nil {
				return err
			}
			if err := tx.DeleteImage(i.Digest); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var said []string
	for _, i := range gone {
		said = append(said, "- image "+string(i.Name)+" "+i.Digest)
	}
	return said, nil
}

// ImageList lists the images.
func (p *Provider) ImageList(ctx context.Context) ([]ImageView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]ImageView, len(m.Images))
	for i, image := range m.Images {
		views[i] = viewImage(m, image)
	}
	return views, nil
}

// TemplateList lists the templates.
func (p *Provider) TemplateList(ctx context.Context) ([]TemplateView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	var views []TemplateView
	for _, t := range p.Templates.List() {
		views = append(views, TemplateView{
			Name: t.Name, Description: t.Description, Image: t.Image, Login: t.Login, ImageBuilt: len(m.ImagesCalled(string(t.Image))) > 0,
		})
	}
	return views, nil
}

// Template shows one template.
func (p *Provider) Template(ctx context.Context, name string) (TemplateView, error) {
	if _, err := p.Templates.Get(name); err != nil {
		return TemplateView{}, err
	}
	all, err := p.TemplateList(ctx)
	for _, t := range all {
		if string(t.Name) == name {
			return t, err
		}
	}
	return TemplateView{}, err
}
