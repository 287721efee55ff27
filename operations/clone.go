package operations

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"ispctl"
	"ispctl/images"
	"ispctl/state"
)

// CloneVM makes a VM with what another one's first disk holds now, and starts it.
// It has MAC, addresses and keys of its own. The host lock is held while the
// snapshot is taken and while the VM is made, and not while bytes are copied.
func (p *Provider) CloneVM(ctx context.Context, name string, to ispctl.Name, o Options) (r Result, err error) {
	fit := func(m *ispctl.Model, vm ispctl.VM) error {
		if have, err := m.VM(string(to)); err == nil {
			return taken(have, false)
		}
		if vm.Rescue != "" {
			return inRescue(vm)
		}
		return nil
	}
	uuid := newUUID()
	insert := func(source ispctl.VM) edit {
		return func(tx *state.Tx) ([]string, error) {
			m, err := tx.Model()
			if err != nil {
				return nil, err
			}
			vm, err := newMaker(tx, m, p.Templates).clone(source, to, uuid)
			if err != nil {
				return nil, err
			}
			said := []string{fmt.Sprintf("+ vm %s %s in zone %s, a clone of %s", vm.Name, vm.NICs[0].Addr, vm.Zone, name)}
			if len(source.Disks) > 0 {
				said = append(said, fmt.Sprintf("~ the data disks of vm %s are not copied", name))
			}
			return said, nil
		}
	}
	entry := state.Entry{Operation: "vm clone", Object: "vm " + string(to), Detail: "of vm " + name}
	if o.DryRun {
		m, err := p.Store.Model(ctx)
		if err != nil {
			return r, err
		}
		vm, err := m.VM(name)
		if err == nil {
			err = fit(m, vm)
		}
		if err != nil {
			return r, err
		}
		return p.change(ctx, o, entry, insert(vm))
	}
	l, err := p.lend(ctx, name, "clone", fit)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.giveBack(ctx, l)) }()
	dir, done, err := images.CopyPlace(p.Paths, uuid)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := p.copyLent(ctx, l, images.Copy{To: filepath.Join(dir, images.CopiedDisk)}); err != nil {
		return r, err
	}
	return p.change(ctx, o, entry, insert(l.vm))
}

// copyLent copies what was lent, and says how long it took.
func (p *Provider) copyLent(ctx context.Context, l *loan, c images.Copy) error {
	started, object := time.Now(), "vm "+string(l.vm.Name)
	c.From, c.Backing, c.Tag = l.model.Paths.DiskOf(l.vm), l.model.Paths.ImageDisk(l.vm.Image), l.tag
	c.UID = int64(l.model.Installation.GuestUID(l.vm.ID))
	p.progress(Progress{Object: object, Phase: "copy", Text: c.To})
	if err := c.Run(ctx); err != nil {
		return err
	}
	p.progress(Progress{Object: object, Phase: "copy", Text: c.To, Done: true, Took: time.Since(started)})
	return nil
}

// clone inserts a VM like another one: with its plan, template, image, sizes,
// limits and keys, and with what only one VM can have of its own.
func (mk *maker) clone(source ispctl.VM, to ispctl.Name, uuid string) (ispctl.VM, error) {
	spec := VMSpec{
		Name: to, Template: string(source.Template), Zone: string(source.Zone), Plan: string(source.Plan), SSHKeys: source.SSHKeys, Limits: source.Limits, Tenant: string(source.Tenant),
		NoAdmin: len(source.AdminNICs()) == 0, Allow: source.NICs[0].Allow, Tags: source.NICs[0].Tags,
	}
	vm, err := mk.plan(spec)
	if err != nil {
		return vm, err
	}
	vm.UUID, vm.Image = uuid, source.Image
	vm.CPUs, vm.Memory, vm.DiskSize, vm.Autostart, vm.Cloned = source.CPUs, source.Memory, source.DiskSize, source.Autostart, true
	if err := giveHostKey(mk.model.Paths, &vm); err != nil {
		return ispctl.VM{}, err
	}
	return mk.tx.InsertVM(vm)
}
