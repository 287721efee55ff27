package cli

import (
	"context"
	"errors"
	"log"
	"time"

	"ispctl"
)

// How often serve reads the counters, and looks at quotas: what is done about
// one is done within a minute of the byte that used it up.
const (
	sampleEvery = 10 * time.Second
	quotaEvery  = 30 * time.Second
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
		p.Actor, p.Progress = "serve", nil
		if err := own.metering(p, inst); err != nil {
			return err
		}
		s, err := p.Sampler(ctx)
		if err != nil {
			return err
		}
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		var judged time.Time
		for {
			v, err := s.Sample(ctx)
			for _, n := range v.Notes {
				say.Print("usage: ", n)
			}
			if err != nil {
				return err
			}
			if time.Since(judged) >= quotaEvery {
				judged = time.Now()
				changed, err := s.JudgeQuotas(ctx)
				if changed {
					// What was decided is intent by now: if this pass fails, the
					// next one makes it true.
					err = errors.Join(err, a.child(ctx, say, "converge"))
				}
				if err != nil {
					say.Print("quota: ", err)
				}
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}
}
