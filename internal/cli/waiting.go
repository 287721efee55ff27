package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"ispctl/operations"
)

// waiting is whether a command after which guests boot waits until they answer.
type waiting struct {
	wanted bool
	atMost time.Duration
}

func (w *waiting) flags(c *cobra.Command) {
	c.Flags().BoolVar(&w.wanted, "wait", false, "wait until its SSH server answers")
	c.Flags().DurationVar(&w.atMost, "timeout", 5*time.Minute, "how long to wait")
}

// until they answer, when that is wanted: for all of them no longer than for one;
// the last are asked once even so.
func (w waiting) until(ctx context.Context, p *operations.Provider, names ...string) error {
	if !w.wanted {
		return nil
	}
	end := time.Now().Add(w.atMost)
	for _, name := range names {
		if err := p.WaitSSH(ctx, name, max(time.Until(end), min(w.atMost, time.Second))); err != nil {
			return err
		}
	}
	return nil
}
