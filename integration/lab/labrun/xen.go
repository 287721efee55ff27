package main

import (
	"context"
	"os"
	"path/filepath"

	"ispctl/images"
	"ispctl/integration/lab"
)

// xenScenario is what the flavour xen runs unless it is told otherwise.
var xenScenario = []lab.Package{{Path: "ispctl/integration/xen"}}

// xenFiles makes the directory that the scenario takes along: the image its
// guests are made from, since there is no mirror in the lab.
func xenFiles(ctx context.Context, mirror string, log func(string)) (dir string, err error) {
	recipe, err := images.FindRecipe("micro")
	if err != nil {
		return "", err
	}
	store, err := os.MkdirTemp("", "labrun")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(store)
	dir = filepath.Join(lab.CacheDir(), "xen-files")
	_, err = images.Build(ctx, &images.Store{Dir: store}, recipe, images.BuildOptions{
		Xen: true, Mirror: mirror, CacheDir: filepath.Join(dir, "images"),
		Progress: func(e images.Event) {
			if e.Done == 0 {
				log("image micro: " + e.Phase + " " + e.Message)
			}
		},
	})
	return dir, err
}
