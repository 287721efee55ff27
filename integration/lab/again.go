package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// RunTwice is [Run], and once more from a cold boot where the machine failed:
// it did not come up, it hung, or it ended too early. That is said, and is no
// failure if the second try is none. A test that fails is one at once: no test
// gets a second chance here.
//
// The events of the first try are held back until it is known to count.
func RunTwice(ctx context.Context, f Flavour, packages []Package, o Options) (Result, error) {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	out := o.JSON
	var held bytes.Buffer
	if out != nil {
		o.JSON = &held
	}
	r, err := Run(ctx, f, packages, o)
	if fault := (*machineFault)(nil); ctx.Err() == nil && errors.As(err, &fault) {
		o.Log(fmt.Sprintf("machine: once more, from a cold boot: %v", err))
		held.Reset()
		o.Boot = true
		r, err = Run(ctx, f, packages, o)
		r.Again = true
	}
	if out != nil {
		if _, writeErr := io.Copy(out, &held); writeErr != nil {
			err = errors.Join(err, fmt.Errorf("write events: %w", writeErr))
		}
	}
	return r, err
}

// machineFault is an error of a machine that was started.
type machineFault struct{ error }

func (f *machineFault) Unwrap() error { return f.error }
