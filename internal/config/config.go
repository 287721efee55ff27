// Package config is the file that `ispctl init` writes: what must be known
// before the database can be of use.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"go.yaml.in/yaml/v4"

	"ispctl"
)

// file is the shape of the YAML.
type file struct {
	Prefix     string `yaml:"prefix"`
	NetNS      string `yaml:"netns,omitempty"`
	Hypervisor string `yaml:"hypervisor"`

	Xen ispctl.XenKind `yaml:"xen,omitempty"`

	Operators string `yaml:"operators,omitempty"`
	Auditors  string `yaml:"auditors,omitempty"`
}

// Load reads the configuration of the installation under paths. Where there is
// none the error is of kind NotFound and says to run init.
func Load(paths ispctl.Paths) (ispctl.Installation, error) {
	path := paths.Config()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ispctl.Installation{}, &ispctl.Error{
			Kind: ispctl.NotFound, Object: "configuration " + path, Cause: "is not there",
			Next: "run: ispctl init (with the same --root)",
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return ispctl.Installation{}, &ispctl.Error{Kind: ispctl.Permission, Object: "configuration " + path, Err: err, Next: "run ispctl as root"}
	}
	if err != nil {
		return ispctl.Installation{}, fmt.Errorf("configuration: %w", err)
	}
	var f file
	if err := yaml.Load(data, &f, yaml.WithKnownFields(), yaml.WithUniqueKeys()); err != nil {
		return ispctl.Installation{}, ispctl.Invalid("configuration", path, "%s", bytes.TrimSpace([]byte(err.Error())))
	}
	inst := ispctl.Installation(f)
	return inst, inst.Validate()
}

// Save writes the configuration, whole or not at all.
func Save(paths ispctl.Paths, inst ispctl.Installation) error {
	if err := inst.Validate(); err != nil {
		return err
	}
	data, err := yaml.Dump(file(inst))
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	path := paths.Config()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	head := []byte("# Written by `ispctl init`. What the provider is made of is in the database.\n")
	if err := renameio.WriteFile(path, append(head, data...), 0o644); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return nil
}
