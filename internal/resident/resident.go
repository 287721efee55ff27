package resident

import (
	"context"
	"fmt"
	"log"
	"runtime/debug"
	"sync"
	"time"
)

// Task is one thing that goes on for as long as the process lives.
type Task struct {
	Name string

	// Run works until ctx ends. If it returns before, with an error, it is
	// started again; with none, it has no more to do.
	Run func(ctx context.Context) error
}

// Pause is how long a task that failed waits before it is started again: the
// first time, and at most. It doubles each time, and is forgotten when the task
// has run for longer than the most.
type Pause struct{ First, Most time.Duration }

// DefaultPause is soon enough to be of use, and seldom enough to leave the CPU
// and the journal to others.
var DefaultPause = Pause{First: time.Second, Most: time.Minute}

// Run runs all tasks until ctx ends and each of them has returned.
func Run(ctx context.Context, tasks []Task, pause Pause, say *log.Logger) {
	var all sync.WaitGroup
	for _, t := range tasks {
		all.Go(func() { t.keep(ctx, pause, say) })
	}
	<-ctx.Done() // even if no task has more to do: who stays is to be found
	all.Wait()
}

func (t Task) keep(ctx context.Context, pause Pause, say *log.Logger) {
	wait := pause.First
	for ctx.Err() == nil {
		began := time.Now()
		err := t.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			return
		}
		if time.Since(began) > pause.Most {
			wait = pause.First
		}
		say.Printf("%s: failed, starts again in %s: %v", t.Name, wait, err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, pause.Most)
	}
}

// once runs the task, and takes a panic for a failure: what one task stumbles
// over is no reason for the others to end.
func (t Task) once(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return t.Run(ctx)
}
