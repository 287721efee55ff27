package cli

import (
	"cmp"
	"fmt"
	"os"

	"ispctl/internal/demo"
)

// demo is the demo under --root, or under its own default.
func (a *app) demo() (*demo.Demo, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return &demo.Demo{Root: cmp.Or(a.rootDir, demo.DefaultRoot), Program: exe, Out: a.streams.Out, Err: a.streams.Err}, nil
}
