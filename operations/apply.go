package operations

import (
	"context"
	"errors"

	"ispctl"
	"ispctl/operations/document"
	"ispctl/state"
)

// Apply makes the provider what the document says: what it names is made or
// changed, what it does not name is left as it is. With prune, what an earlier
// apply made and the document names no more is removed. The document is taken
// whole or not at all.
func (p *Provider) Apply(ctx context.Context, doc *document.Document, prune bool, o Options) (Result, error) {
	if err := p.bookGivenAway(ctx, doc, o); err != nil {
		return Result{}, err
	}
	r, err := p.changeWalls(ctx, o, state.Entry{Operation: "apply", Object: "document " + doc.File}, func(tx *state.Tx) ([]string, error) {
		a := &applier{tx: tx, doc: doc, templates: p.Templates, prune: prune, keys: p.VPNKeys}
		if doc.VPN != nil {
			p.VPNKeys.Trial = o.DryRun
		}
		if err := a.run(); err != nil {
			return nil, err
		}
		return a.said, nil
	})
	if doc.VPN != nil || prune && p.VPNKeys != nil {
		err = errors.Join(err, p.forgetKeys(ctx, r, o))
	}
	return r, doc.Place(err)
}

// Export writes the provider down as a document that applies to no changes.
func (p *Provider) Export(ctx context.Context) ([]byte, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	return document.Export(m)
}

// VMText writes one VM down, as a document that applies to no changes.
func (p *Provider) VMText(ctx context.Context, name string) ([]byte, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	vm, err := guestNamed(m, name)
	if err != nil {
		return nil, err
	}
	return document.ExportVM(m, vm)
}

// Model is the intent as it stands.
func (p *Provider) Model(ctx context.Context) (*ispctl.Model, error) { return p.Store.Model(ctx) }
