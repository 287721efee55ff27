package operations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ispctl"
	"ispctl/images"
)

// ExportOptions say what of a VM is written where.
type ExportOptions struct {
	File, Format string // qcow2 or raw
	Snapshot     string // empty: what the disk holds now
	Force        bool   // replace what is there
}

// ExportManifest is what the file beside an export says.
type ExportManifest struct {
	Version    int         `json:"version"`
	Name       ispctl.Name `json:"name"`
	UUID       string      `json:"uuid"`
	ExportedAt time.Time   `json:"exported_at"`
	Snapshot   string      `json:"snapshot,omitempty"`
	Format     string      `json:"format"`
	File       string      `json:"file"`
	SHA256     string      `json:"sha256"`
	Disk       int64       `json:"disk_bytes"` // as the guest sees it
	CPUs       int         `json:"cpus"`
	Memory     int64       `json:"memory_bytes"`
	Plan       ispctl.Name `json:"plan"`
	Template   ispctl.Name `json:"template"`
	Image      string      `json:"image"` // digest of what it was made from
	Boot       string      `json:"boot"`  // disk, or kernel: it takes the image's kernel and this
	Cmdline    string      `json:"cmdline,omitempty"`
}

// ExportVM writes a VM's first disk to a file that stands alone, with a manifest
// beside it. The host lock is not held while bytes are copied.
func (p *Provider) ExportVM(ctx context.Context, name string, o ExportOptions) (said string, err error) {
	if o.Format != "qcow2" && o.Format != "raw" {
		return "", ispctl.Invalid("format", o.Format, "is not qcow2 or raw")
	}
	for _, file := range []string{o.File, o.File + ".json"} {
		if _, err := os.Lstat(file); err == nil && !o.Force {
			return "", &ispctl.Error{Kind: ispctl.Conflict, Object: fmt.Sprintf("file %q", file), Cause: "is there already", Next: "give another --output, or --force"}
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	l, err := p.lend(ctx, name, "export", func(_ *ispctl.Model, vm ispctl.VM) error {
		if o.Snapshot == "" {
			return nil
		}
		_, err := vm.Snapshot(o.Snapshot)
		return err
	})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, p.giveBack(ctx, l)) }()
	if o.Snapshot != "" {
		own, err := l.vm.Snapshot(o.Snapshot)
		if err != nil {
			return "", err
		}
		l.tag = own.Tag()
	}
	dir, done, err := images.CopyPlace(p.Paths, newUUID())
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, done()) }()
	copied := filepath.Join(dir, "export")
	if err := p.copyLent(ctx, l, images.Copy{To: copied, Alone: true, Raw: o.Format == "raw"}); err != nil {
		return "", err
	}
	manifest, err := l.manifest(ctx, copied, o)
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return "", err
	}
	if err := images.Place(ctx, copied, o.File, o.Force); err != nil {
		return "", err
	}
	if err := images.WriteFile(o.File+".json", append(text, '\n'), o.Force); err != nil {
		return "", err
	}
	return fmt.Sprintf("+ %s and %s.json, sha256 %s", o.File, o.File, manifest.SHA256), nil
}

func (l *loan) manifest(ctx context.Context, file string, o ExportOptions) (ExportManifest, error) {
	plan, err := l.model.SizedPlan(l.vm)
	if err != nil {
		return ExportManifest{}, err
	}
	image, _ := l.model.ImageByDigest(l.vm.Image)
	sum, err := images.Sum(ctx, file)
	return ExportManifest{
		Version: 1, Name: l.vm.Name, UUID: l.vm.UUID, ExportedAt: time.Now().UTC(), Snapshot: o.Snapshot, Format: o.Format, File: filepath.Base(o.File), SHA256: sum,
		Disk: int64(plan.Disk), CPUs: plan.CPUs, Memory: int64(plan.Memory), Plan: l.vm.Plan, Template: l.vm.Template, Image: l.vm.Image,
		Boot: bootText(image.DiskBoot), Cmdline: image.Cmdline,
	}, err
}
