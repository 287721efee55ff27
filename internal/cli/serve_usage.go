package cli

import (
	"context"
	"log"

	"ispctl"
	"ispctl/operations"
)

// meterTask is the task that books what passes and judges quotas by it. Nothing
// is lost when it ends at any point: the kernel goes on counting, and whoever
// reads next books what has passed since.
func (a *app) meterTask(inst ispctl.Installation, say *log.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		own := &app{streams: a.streams, rootDir: a.rootDir, lockWait: a.lockWait}
		defer own.close()
		p, err := own.open(ctx, inst)
		if err != nil {
			return err
		}
		p.Actor, p.Progress, p.Store.Asker.Source = "serve", nil, sourceServe
		if err := own.metering(p, inst); err != nil {
			return err
		}
		s, err := p.Sampler(ctx)
		if err != nil {
			return err
		}
		m := &operations.Meterer{
			Sampler: s, Say: func(text string) { say.Print(text) },
			Converge: func(ctx context.Context) error { return a.child(ctx, say, "converge") },
		}
		return m.Run(ctx)
	}
}
