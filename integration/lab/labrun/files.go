package main

import (
	"context"
	"os"
	"path/filepath"

	"ispctl/images"
	"ispctl/integration/lab"
)

// scenarioFiles makes the directory that a scenario takes along: the image its
// guests are made from, since there is no mirror in the lab.
func scenarioFiles(ctx context.Context, f lab.Flavour, mirror string, log func(string)) (dir string, err error) {
	recipe, err := images.FindRecipe("micro")
	if err != nil {
		return "", err
	}
	store, err := os.MkdirTemp("", "labrun")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(store)
	dir = filepath.Join(lab.CacheDir(), f.Name+"-files")
	_, err = images.Build(ctx, &images.Store{Dir: store}, recipe, images.BuildOptions{
		Xen: f.Xen, Mirror: mirror, CacheDir: filepath.Join(dir, "images"),
		Progress: func(e images.Event) {
			if e.Done == 0 {
				log("image micro: " + e.Phase + " " + e.Message)
			}
		},
	})
	return dir, err
}
