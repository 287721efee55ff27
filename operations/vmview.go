package operations

import (
	"context"
	"net/netip"
	"time"

	"ispctl"
	"ispctl/state"
)

// lookWait is how long a command that only looks waits for one that works
// before it says "unknown": the hypervisor inside ispctl serves one at a time.
const lookWait = 3 * time.Second

// viewVMs draws VMs as they are now.
func (p *Provider) viewVMs(ctx context.Context, m *ispctl.Model, vms []ispctl.VM) ([]VMView, error) {
	faults, err := p.Store.Faults(ctx)
	if err != nil {
		return nil, err
	}
	live := p.liveStates(ctx, vms)
	drops, err := p.readDrops(ctx, m)
	if err != nil {
		return nil, err
	}
	views := make([]VMView, len(vms))
	for i, vm := range vms {
		v := VMView{
			Name: vm.Name, Wanted: vm.Wanted, Zone: vm.Zone, Plan: vm.Plan, Template: vm.Template, Image: vm.Image, Tenant: string(vm.Tenant), Root: viewRoot(vm),
			HostKey: vm.HostKey, HostKeyFP: ispctl.Fingerprint(vm.HostKey),
			Hypervisor: p.DomainType, UUID: vm.UUID, Domain: m.Installation.Domain(vm.Name),
			Addresses: []string{}, NICs: viewNICs(m, vm), Forwards: []ForwardView{}, External: []AddressView{}, CreatedAt: vm.Created, Phases: []PhaseView{},
		}
		plan, _ := m.SizedPlan(vm)
		v.CPUs, v.Memory, v.Disks, v.Snapshots = plan.CPUs, int64(plan.Memory), viewDisks(m, vm), viewSnapshots(vm)
		v.Autostart = AutostartView{Enabled: !vm.Autostart.Off, Order: vm.Autostart.Order, Delay: int64(vm.Autostart.Delay.Seconds())}
		if vm.Rescue != "" {
			image, _ := m.ImageByDigest(vm.Rescue)
			v.Rescue = string(image.Name)
		}
		for n, nic := range vm.ZoneNICs() {
			if n == 0 {
				v.MAC, v.Tap = nic.MAC, nic.Tap
			}
			v.Addresses = append(v.Addresses, addressesOf(nic)...)
		}
		for _, nic := range vm.AdminNICs() {
			v.AdminAddress = nic.Addr.String()
		}
		for _, f := range m.Forwards {
			if f.VM == vm.Name {
				v.Forwards = append(v.Forwards, viewForward(m, f))
			}
		}
		for _, a := range m.AddressesOf(vm.Name, ispctl.VMModes...) {
			v.External = append(v.External, viewAddress(m, a, nil))
		}
		v.Drops, v.Dropped = map[string]uint64{}, sumDrops(vm, drops)
		for _, nic := range vm.NICs {
			for reason, n := range drops[nic.Tap] {
				v.Drops[reason] += n.Packets
			}
		}
		phases, err := p.Store.Phases(ctx, vm.ID)
		if err != nil {
			return nil, err
		}
		for _, ph := range phases {
			v.Phases = append(v.Phases, PhaseView{Name: ph.Name, At: ph.At, Seconds: ph.At.Sub(vm.Created).Seconds()})
		}
		v.Error = faultOf(faults, "vm "+string(vm.Name))
		v.State = stateOf(vm, live[vm.UUID], v.Error)
		views[i] = v
	}
	return views, nil
}

func viewNICs(m *ispctl.Model, vm ispctl.VM) []NICView {
	views := make([]NICView, len(vm.NICs))
	for i, nic := range vm.NICs {
		views[i] = NICView{Index: nic.Index, Role: "zone", MAC: nic.MAC, Tap: nic.Tap, Bridge: m.Installation.Bridge(nic.Zone), Addresses: addressesOf(nic), Allow: list(nic.Allow), Tags: list(nic.Tags)}
		if nic.Role == ispctl.AdminNIC {
			views[i].Role, views[i].Bridge = string(nic.Role), m.Installation.LegBridge(nic.Zone)
		}
		if nic.Role == ispctl.WireNIC {
			views[i].Role, views[i].Bridge = string(nic.Role), m.Uplink.Interface
		}
	}
	return views
}

func addressesOf(nic ispctl.NIC) []string {
	texts := []string{}
	for _, a := range []netip.Addr{nic.Addr, nic.Addr6} {
		if a.IsValid() {
			texts = append(texts, a.String())
		}
	}
	return texts
}

// stateOf is the one word for how a VM is.
func stateOf(vm ispctl.VM, live, fault string) string {
	switch {
	case fault != "":
		return "error"
	case vm.Wanted == ispctl.Absent:
		return "destroying"
	}
	return live
}

// liveStates asks the hypervisor. What it cannot tell is unknown: a look never
// fails for it.
func (p *Provider) liveStates(ctx context.Context, vms []ispctl.VM) map[string]string {
	states := make(map[string]string, len(vms))
	for _, vm := range vms {
		states[vm.UUID] = "unknown"
	}
	if len(vms) == 0 {
		return states
	}
	unlock, err := state.Lock(ctx, p.Paths, min(lookWait, p.LockWait))
	if err != nil {
		return states
	}
	defer unlock() //nolint:errcheck // it goes with the process
	for _, vm := range vms {
		live, err := p.Hypervisor.State(ctx, vm.UUID)
		switch {
		case err == nil:
			states[vm.UUID] = live
		case ispctl.KindOf(err) == ispctl.NotFound:
			states[vm.UUID] = "stopped"
		}
	}
	return states
}

// console is where the VM's serial port is, as far as the hypervisor can tell.
func (p *Provider) console(ctx context.Context, vm ispctl.VM) string {
	unlock, err := state.Lock(ctx, p.Paths, min(lookWait, p.LockWait))
	if err != nil {
		return ""
	}
	defer unlock() //nolint:errcheck // it goes with the process
	path, err := p.Hypervisor.Console(ctx, vm.UUID)
	if err != nil {
		return ""
	}
	return path
}

func faultOf(faults []state.Status, object string) string {
	for _, f := range faults {
		if f.Object == object {
			return f.Error
		}
	}
	return ""
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

func joinPort(a netip.Addr, port uint16) string { return netip.AddrPortFrom(a, port).String() }
