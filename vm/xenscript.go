package vm

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed vif-ispctl
var xenScript []byte

// InstallXenScript writes the hotplug script of guests' vifs, where it is
// missing or another version's. Xen's own puts a vif on the first bridge it
// finds, and up, before anybody has said what may pass it.
func InstallXenScript(path string) error {
	have, err := os.ReadFile(path)
	if err == nil && bytes.Equal(have, xenScript) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hotplug script of Xen: %w", err)
	}
	fresh := filepath.Join(filepath.Dir(path), ".ispctl-new")
	if err := errors.Join(os.WriteFile(fresh, xenScript, 0o755), os.Rename(fresh, path)); err != nil {
		return fmt.Errorf("hotplug script of Xen (is the package xen-utils-common installed?): %w", err)
	}
	return nil
}
