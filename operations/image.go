package operations

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"ispctl"
	"ispctl/images"
	"ispctl/state"
)

// onXen is Provider.DomainType where Xen runs the guests.
const onXen = "xen"

// BuildImage builds an image from packages and takes it into the store. Neither
// this nor what follows holds the host lock while it works: the store takes care
// of itself, and the row is one commit at the end.
func (p *Provider) BuildImage(ctx context.Context, name string, o images.BuildOptions) (ImageView, error) {
	recipe, err := images.FindRecipe(name)
	if err != nil {
		return ImageView{}, err
	}
	o.Xen = o.Xen || p.DomainType == onXen
	image, err := images.Build(ctx, p.Images, recipe, o)
	if err != nil {
		return ImageView{}, err
	}
	return p.register(ctx, "image build", image)
}

// PullImage gets an image that others publish, verifies it, and takes it into the
// store.
func (p *Provider) PullImage(ctx context.Context, o images.PullOptions) (ImageView, error) {
	image, err := images.Pull(ctx, p.Images, o)
	if err != nil {
		return ImageView{}, err
	}
	return p.register(ctx, "image pull", image)
}

// ImportImage takes an image from a file into the store.
func (p *Provider) ImportImage(ctx context.Context, file string, o images.ImportOptions) (ImageView, error) {
	image, err := images.Import(ctx, p.Images, file, o)
	if err != nil {
		return ImageView{}, err
	}
	return p.register(ctx, "image import", image)
}

// register makes an image of the store known.
func (p *Provider) register(ctx context.Context, operation string, image ispctl.Image) (ImageView, error) {
	entry := state.Entry{Actor: p.Actor, Operation: operation, Object: "image " + string(image.Name), Detail: image.Digest}
	m, err := p.Store.Update(ctx, entry, func(tx *state.Tx) error { return tx.PutImage(image) })
	if err != nil {
		return ImageView{}, err
	}
	return viewImage(m, image), nil
}

// called finds images by name, by digest, or by the beginning of a digest that
// is long enough not to be a name.
func called(m *ispctl.Model, name string) []ispctl.Image {
	const atLeast = 8
	some := m.ImagesCalled(name)
	if len(some) > 0 || len(name) < atLeast {
		return some
	}
	for _, i := range m.Images {
		if strings.HasPrefix(i.Digest, name) {
			some = append(some, i)
		}
	}
	if len(some) > 1 {
		return nil
	}
	return some
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
		gone = called(m, name)
		if len(gone) == 0 {
			_, err := m.Image(name)
			return missing(err, ifExists)
		}
		for _, i := range gone {
			if vms := m.VMsFrom(i.Digest); len(vms) > 0 {
				return inUse("image", name, "vm", vms, "destroy them first: ispctl vm destroy")
			}
		}
		return p.removeImages(ctx, tx, gone)
	})
	if err != nil {
		return nil, err
	}
	return sayGone(gone), nil
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

// Image shows one image: that of a digest, or the newest of a name.
func (p *Provider) Image(ctx context.Context, name string) (ImageDetailView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return ImageDetailView{}, err
	}
	image, err := m.Image(name)
	if some := called(m, name); err != nil && len(some) == 1 {
		image, err = some[0], nil
	}
	if err != nil {
		return ImageDetailView{}, err
	}
	v := ImageDetailView{ImageView: viewImage(m, image), Cmdline: image.Cmdline, Path: m.Paths.Image(image.Digest), SHA256: map[string]string{}}
	// Where it comes from is in the store alone, which may be damaged: that is
	// for `image verify` to say.
	if manifest, err := p.Images.Manifest(image.Digest); err == nil {
		v.Source, v.Origin, v.SHA256 = manifest.Source, manifest.Origin, manifest.SHA256
	}
	return v, nil
}

// VerifyImages reads images whole, all of a name or every one, and compares them
// with what they are called by. The error is that of the damaged ones.
func (p *Provider) VerifyImages(ctx context.Context, name string) ([]ImageVerdict, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	some := m.Images
	if name != "" {
		if some = called(m, name); len(some) == 0 {
			_, err := m.Image(name)
			return nil, err
		}
	}
	var verdicts []ImageVerdict
	var errs []error
	for _, i := range some {
		v := ImageVerdict{Name: i.Name, Digest: i.Digest, Sound: true}
		p.progress(Progress{Object: "image " + string(i.Name), Phase: "verify", Text: i.Digest})
		if err := p.Images.Verify(ctx, i.Digest); err != nil {
			if ctx.Err() != nil {
				return verdicts, ctx.Err()
			}
			v.Sound, v.Error = false, err.Error()
			errs = append(errs, err)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, errors.Join(errs...)
}

// pruneAge is how old an image without a row must be to go: a younger one may be
// about to get it.
const pruneAge = time.Hour

// PruneImages removes the images that no VM was made from and that a newer one of
// the same name has replaced, or, with all, every one that no VM was made from;
// what killed builds and cut-off transfers have left; and images that nothing
// knows of. With dryRun it says what it would.
func (p *Provider) PruneImages(ctx context.Context, all, dryRun bool) ([]string, error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock() //nolint:errcheck // it goes with the process
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	gone := prunable(m, all)
	// Those that are damaged are for `image verify` to tell of; the others come
	// with the error.
	stored, err := p.Images.List(ctx)
	if ctx.Err() != nil {
		return nil, err
	}
	for _, i := range stored {
		if _, known := m.ImageByDigest(i.Digest); !known && time.Since(i.Built) > pruneAge {
			gone = append(gone, i)
		}
	}
	said := sayGone(gone)
	if dryRun {
		return said, nil
	}
	transfers, err := p.Images.PruneTransfers()
	if err != nil {
		return nil, err
	}
	if len(gone) > 0 {
		_, err = p.Store.Update(ctx, state.Entry{Actor: p.Actor, Operation: "image prune"}, func(tx *state.Tx) error {
			return p.removeImages(ctx, tx, gone)
		})
	}
	if err != nil {
		return nil, err
	}
	if transfers > 0 {
		said = append(said, "- unfinished transfers: "+strconv.Itoa(transfers))
	}
	return said, nil
}

// prunable are the images without VMs that are not, or need not be, the newest
// of their name.
func prunable(m *ispctl.Model, all bool) []ispctl.Image {
	return slices.DeleteFunc(slices.Clone(m.Images), func(i ispctl.Image) bool {
		newest, err := m.Image(string(i.Name))
		return len(m.VMsFrom(i.Digest)) > 0 || !all && err == nil && newest.Digest == i.Digest
	})
}

// removeImages removes files first: a row without them is found again and
// removed, files without a row are found by `image prune` alone.
func (p *Provider) removeImages(ctx context.Context, tx *state.Tx, gone []ispctl.Image) error {
	for _, i := range gone {
		if err := p.Images.Remove(ctx, i.Digest); err != nil {
			return err
		}
		if err := tx.DeleteImage(i.Digest); err != nil {
			return err
		}
	}
	return nil
}

func sayGone(gone []ispctl.Image) []string {
	var said []string
	for _, i := range gone {
		said = append(said, "- image "+string(i.Name)+" "+i.Digest)
	}
	return said
}

// KnownImages is the catalogue: what can be built, and what can be pulled by
// name.
func (p *Provider) KnownImages(ctx context.Context) ([]KnownImageView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	has := func(name ispctl.Name) bool { return len(m.ImagesCalled(string(name))) > 0 }
	var views []KnownImageView
	for _, r := range images.Catalogue() {
		views = append(views, KnownImageView{
			Name: r.Name, How: "build", Description: r.Description, Signer: "Debian archive, by each package list", Boot: bootText(false), InStore: has(r.Name),
		})
	}
	for _, k := range images.KnownImages() {
		views = append(views, KnownImageView{
			Name: k.Name, How: "pull", Description: k.Description, URL: k.URL, Sums: k.Sums, Signer: k.Signer, Fingerprint: k.Fingerprint,
			Boot: bootText(true), InStore: has(k.Name),
		})
	}
	slices.SortStableFunc(views, func(a, b KnownImageView) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return views, nil
}
