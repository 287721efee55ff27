package operations

import (
	"context"
	"fmt"

	"ispctl"
	"ispctl/state"
	"ispctl/templates"
)

// RescueVM boots a VM by a fresh system from an image, with its own disks beside
// that, on the admin leg of its zone and in no zone.
func (p *Provider) RescueVM(ctx context.Context, name, image string, o Options) (Result, error) {
	return p.changeVM(ctx, "rescue", name, o, func(tx *state.Tx, m *ispctl.Model, vm ispctl.VM) ([]string, error) {
		i, err := m.Image(image)
		if err != nil {
			return nil, err
		}
		if vm.Rescue != "" {
			return nil, nil
		}
		if _, err := rescueTemplate(p.Templates, i); err != nil {
			return nil, err
		}
		vm.Rescue, vm.Wanted, vm.Paused = i.Digest, ispctl.Running, false
		return []string{fmt.Sprintf("~ vm %s boots image %s, on its admin leg only; its own disk is /dev/disk/by-id/virtio-%s there", name, i.Name, ispctl.RescuedSerial)}, tx.UpdateVM(vm)
	})
}

// EndRescue boots a VM by its own disk again.
func (p *Provider) EndRescue(ctx context.Context, name string, o Options) (Result, error) {
	return p.changeVM(ctx, "rescue end", name, o, func(tx *state.Tx, _ *ispctl.Model, vm ispctl.VM) ([]string, error) {
		if vm.Rescue == "" {
			return nil, nil
		}
		vm.Rescue = ""
		return []string{fmt.Sprintf("~ vm %s boots its own disk", name)}, tx.UpdateVM(vm)
	})
}

// rescueTemplate is how a system from an image is told who it is.
func rescueTemplate(set templates.Set, image ispctl.Image) (templates.Template, error) {
	for _, t := range set.List() {
		if t.Image == image.Name && t.From == "" {
			return t, nil
		}
	}
	return templates.Template{}, &ispctl.Error{
		Kind: ispctl.Conflict, Object: fmt.Sprintf("image %q", image.Name), Cause: "is that of no template, which would tell it keys and addresses",
		Next: "use another one: --image micro",
	}
}
