package libvirtd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/vm"
)

// askAgain is how often a guest is asked to let go of a device: one that is
// booting does not hear. To let go of an interface it has letGoNIC at the most,
// since nothing waits for that: its tap goes in any case, and then it is dead.
const (
	askAgain = 5 * time.Second
	letGoNIC = 5 * time.Second
)

// plug gives a guest that runs a device, or takes it away.
func (h *Hypervisor) plug(ctx context.Context, dom *libvirt.Domain, c vm.Change) error {
	if active, err := dom.IsActive(); err != nil || !active {
		return unlessGone(err)
	}
	has, err := h.has(dom, c)
	if err != nil {
		return err
	}
	device, err := c.DeviceXML()
	if err != nil {
		return err
	}
	if c.Act == vm.UnplugDisk || c.Act == vm.UnplugNIC {
		if !has {
			return nil
		}
		return h.unplug(ctx, dom, c, device)
	}
	if !has {
		err := dom.AttachDeviceFlags(device, libvirt.DOMAIN_DEVICE_MODIFY_LIVE)
		if err != nil && c.Act == vm.PlugDisk {
			// A process that was killed while it plugged may have got so far that
			// QEMU has the disk, and not so far that libvirt knows of it.
			if forgotten, tidied := h.tidy(ctx, dom, c.Disk.File); tidied != nil {
				err = errors.Join(err, tidied)
			} else if forgotten {
				err = dom.AttachDeviceFlags(device, libvirt.DOMAIN_DEVICE_MODIFY_LIVE)
			}
		}
		if err != nil {
			return restart(c, text(err))
		}
	}
	if c.Act == vm.PlugNIC && h.Ready != nil {
		// libvirt has put a queue of its own on the tap.
		return h.Ready(ctx, c.Domain)
	}
	return nil
}

// restart says what helps where a guest cannot be given something as it runs.
func restart(c vm.Change, err error) error {
	return &ispctl.Error{
		Kind: ispctl.Conflict, Object: c.Domain.Object(), Cause: "cannot be changed while it runs", Err: err,
		Next: "it is as asked from its next start on: ispctl vm restart " + string(c.Domain.VM),
	}
}

// has looks whether the guest that runs has the device of a change.
func (h *Hypervisor) has(dom *libvirt.Domain, c vm.Change) (bool, error) {
	data, err := dom.GetXMLDesc(0)
	if err != nil {
		return false, err
	}
	live, _, err := vm.Decode([]byte(data), h.inst.Prefix)
	if err != nil {
		return false, err
	}
	if c.Act == vm.PlugNIC || c.Act == vm.UnplugNIC {
		return slices.ContainsFunc(live.NICs, func(n vm.NIC) bool { return n.MAC == c.NIC.MAC }), nil
	}
	return slices.ContainsFunc(live.Data, func(d vm.Disk) bool { return d.File == c.Disk.File }), nil
}

// unplug asks a guest to let go of a device, until it has.
func (h *Hypervisor) unplug(ctx context.Context, dom *libvirt.Domain, c vm.Change, device string) error {
	var refused error
	ask := time.Time{}
	patience := h.LetGo
	if c.Act == vm.UnplugNIC {
		patience = min(patience, letGoNIC)
	}
	for until := time.Now().Add(patience); time.Now().Before(until); {
		if time.Since(ask) > askAgain {
			// That it is being unplugged already is no reason to give up.
			refused = dom.DetachDeviceFlags(device, libvirt.DOMAIN_DEVICE_MODIFY_LIVE)
			ask = time.Now()
		}
		if has, err := h.has(dom, c); err != nil || !has {
			return unlessGone(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery):
		}
	}
	if c.Act == vm.UnplugNIC {
		return nil
	}
	return restart(c, errors.Join(fmt.Errorf("it does not let go within %s", patience), text(refused)))
}

// tidy takes a disk out of QEMU that libvirt does not know of, and reports
// whether there was one.
func (h *Hypervisor) tidy(ctx context.Context, dom *libvirt.Domain, file string) (bool, error) {
	nodes, err := nodesOf(dom, file)
	if err != nil || len(nodes) == 0 {
		return false, err
	}
	blocks, err := queryBlock(dom)
	if err != nil {
		return false, err
	}
	for _, b := range blocks {
		if b.Inserted.File != file || b.QDev == "" {
			continue
		}
		// "/machine/peripheral/virtio-disk2/virtio-backend" is of the device
		// virtio-disk2.
		device := strings.TrimSuffix(strings.TrimPrefix(b.QDev, "/machine/peripheral/"), "/virtio-backend")
		if err := h.dropDevice(ctx, dom, device, file); err != nil {
			return true, err
		}
	}
	// A node goes when nothing is above it: the format before the file.
	for range len(nodes) + 1 {
		for _, node := range nodes {
			_ = qmp(dom, "blockdev-del", map[string]any{"node-name": node}, nil)
		}
		if nodes, err = nodesOf(dom, file); err != nil || len(nodes) == 0 {
			return true, err
		}
	}
	return true, fmt.Errorf("QEMU keeps %s open", file)
}

func (h *Hypervisor) dropDevice(ctx context.Context, dom *libvirt.Domain, device, file string) error {
	ask := time.Time{}
	for until := time.Now().Add(h.LetGo); time.Now().Before(until); {
		if time.Since(ask) > askAgain {
			_ = qmp(dom, "device_del", map[string]any{"id": device}, nil) // asked already, perhaps
			ask = time.Now()
		}
		blocks, err := queryBlock(dom)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(blocks, func(b block) bool { return b.Inserted.File == file }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery):
		}
	}
	return fmt.Errorf("the guest does not let go of %s within %s", file, h.LetGo)
}
