package cli

import (
	"context"
	"log"

	"ispctl"
	"ispctl/meter"
	"ispctl/net/flows"
	"ispctl/operations"
)

// flowsTask is the task that records whom guests speak to, in the zones whose
// operator wants it.
func (a *app) flowsTask(inst ispctl.Installation, say *log.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		own := &app{streams: a.streams, rootDir: a.rootDir, lockWait: a.lockWait}
		defer own.close()
		p, err := own.open(ctx, inst)
		if err != nil {
			return err
		}
		p.Actor, p.Progress = "serve", nil
		r, err := p.FlowRecorder(ctx, connections{}, func(text string) { say.Print(text) })
		if err != nil {
			return err
		}
		return r.Run(ctx)
	}
}

// connections are those of this process's network namespace.
type connections struct{}

var _ operations.Connections = connections{}

// Dump reads those that live.
func (connections) Dump(ctx context.Context) ([]meter.Conn, error) {
	all, err := flows.Dump(ctx)
	conns := make([]meter.Conn, len(all))
	for i, c := range all {
		conns[i] = meterConn(c)
	}
	return conns, err
}

// Listen hears of those that end; from then on the kernel counts.
func (connections) Listen(ctx context.Context) (operations.ConnEvents, error) {
	if err := flows.Count(); err != nil {
		return operations.ConnEvents{}, err
	}
	l, err := flows.Listen(ctx)
	if err != nil {
		return operations.ConnEvents{}, err
	}
	return operations.ConnEvents{
		Next: func(ctx context.Context) (meter.Conn, error) {
			select {
			case c := <-l.Ended:
				return meterConn(c), nil
			case err := <-l.Failed:
				return meter.Conn{}, err
			case <-ctx.Done():
				return meter.Conn{}, ctx.Err()
			}
		},
		Close: l.Close,
	}, nil
}

func meterConn(c flows.Conn) meter.Conn {
	return meter.Conn{
		ID: c.ID, Proto: c.Proto, Src: c.Src, Dst: c.Dst, ReplySrc: c.ReplySrc, ReplyDst: c.ReplyDst,
		Orig: flowWay(c.Orig), Reply: flowWay(c.Reply),
	}
}

func flowWay(w flows.Way) meter.Way { return meter.Way{Bytes: w.Bytes, Packets: w.Packets} }
