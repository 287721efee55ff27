package libvirtd

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"

	"libvirt.org/go/libvirt"

	"ispctl"
)

// Grow makes a disk larger under the guest that has it open. It reports false
// if the guest has no process.
func (h *Hypervisor) Grow(ctx context.Context, uuid, disk string, size ispctl.Size) (grown bool, err error) {
	err = h.running(ctx, uuid, func(dom *libvirt.Domain) error {
		grown = true
		if err := dom.BlockResize(disk, uint64(size), libvirt.DOMAIN_BLOCK_RESIZE_BYTES); err != nil {
			return fmt.Errorf("grow %s: %w", disk, text(err))
		}
		return nil
	})
	if ispctl.KindOf(err) == ispctl.NotFound {
		return false, nil
	}
	return grown, err
}

// Console is the path of the terminal that a guest's serial port is at. A guest
// without a process has none: an empty path.
func (h *Hypervisor) Console(ctx context.Context, uuid string) (path string, err error) {
	err = h.running(ctx, uuid, func(dom *libvirt.Domain) error {
		data, err := dom.GetXMLDesc(0)
		if err != nil {
			return fmt.Errorf("read domain %s: %w", uuid, text(err))
		}
		var live struct {
			Serial source `xml:"devices>serial>source"`
			Xen    source `xml:"devices>console>source"`
		}
		if err := xml.Unmarshal([]byte(data), &live); err != nil {
			return fmt.Errorf("read domain %s: %w", uuid, err)
		}
		path = cmp.Or(live.Serial.Path, live.Xen.Path)
		return nil
	})
	return path, err
}

// source is where libvirt says that a serial port, or Xen's console, is.
type source struct {
	Path string `xml:"path,attr"`
}

// running calls do with the domain if it has a process.
func (h *Hypervisor) running(ctx context.Context, uuid string, do func(*libvirt.Domain) error) error {
	conn, err := h.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	dom, err := h.own(conn, uuid)
	if err != nil {
		return err
	}
	defer dom.Free()
	if active, err := dom.IsActive(); err != nil || !active {
		return text(err)
	}
	return do(dom)
}
