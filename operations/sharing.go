package operations

import (
	"context"

	"ispctl"
	"ispctl/state"
)

// SetSharing says how much of the host is shared out.
func (p *Provider) SetSharing(ctx context.Context, c ispctl.SharingChange, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "qos host", Object: "host"}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		want := c.Over(m.Sharing)
		if want == m.Sharing {
			return nil, nil
		}
		return []string{"~ host " + want.String()}, tx.PutSharing(want)
	})
}
