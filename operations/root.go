package operations

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ispctl"
	"ispctl/handover"
	"ispctl/state"
)

// maxHostKeys is how much of what a guest says of its host keys is believed to
// be such.
const maxHostKeys = 8

// putKeys is a program of sh(1) that reads keys from its input: what the keys
// say is never part of a program.
const putKeys = `set -e
umask 077
mkdir -p /root/.ssh
cat >/root/.ssh/.authorized_keys.new
sync
mv -f /root/.ssh/.authorized_keys.new /root/.ssh/authorized_keys`

// settled is true when nothing in a guest will set root's keys or password any
// more. Behind the first answer of SSH cloud-init may still be at work, by what
// the guest was made with; it has done with users when this instance's config
// stage has begun, whose first module it marks before that runs.
const settled = `[ ! -e /run/ispctl/instance ] || cmp -s /run/ispctl/instance /var/lib/ispctl/instance ||
	{ cmp -s /run/ispctl/instance /var/lib/cloud/data/instance-id && [ -e /var/lib/cloud/instance/sem/config_set_passwords ]; }`

// waitGuest waits until a guest's agent answers and the guest is settled. Nobody
// else is kept from the host meanwhile.
func (p *Provider) waitGuest(ctx context.Context, vm ispctl.VM, timeout time.Duration) error {
	until := time.Now().Add(timeout)
	if err := p.WaitAgent(ctx, string(vm.Name), timeout); err != nil {
		return err
	}
	for {
		var out ispctl.Outcome
		err := p.withAgent(ctx, string(vm.Name), func(uuid string) (err error) {
			out, err = p.Agent.Exec(ctx, uuid, []string{"/bin/sh", "-c", settled}, nil)
			return err
		})
		if err != nil || out.Code == 0 {
			return err
		}
		if time.Now().After(until) {
			return &ispctl.Error{
				Kind: ispctl.TimedOut, Object: fmt.Sprintf("vm %q", vm.Name), Cause: "cloud-init in the guest is at its users still",
				Next: "try again, or see what it does: ispctl vm exec " + string(vm.Name) + " -- journalctl -u ispctl-cloud-init",
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// inGuest runs a program in a guest, which must end well. Neither its arguments
// nor what it says are written anywhere.
func (p *Provider) inGuest(ctx context.Context, vm ispctl.VM, stdin string, argv ...string) (string, error) {
	var out ispctl.Outcome
	err := p.withAgent(ctx, string(vm.Name), func(uuid string) (err error) {
		out, err = p.Agent.Exec(ctx, uuid, argv, []byte(stdin))
		return err
	})
	if err != nil {
		return "", err
	}
	if out.Code != 0 {
		return "", fmt.Errorf("%s in the guest ended with %d", argv[0], out.Code)
	}
	return string(out.Stdout), nil
}

func (p *Provider) putGuestKeys(ctx context.Context, vm ispctl.VM) error {
	_, err := p.inGuest(ctx, vm, strings.Join(vm.SSHKeys, "\n")+"\n", "/bin/sh", "-c", putKeys)
	return err
}

// onetimePassword gives root a password that has to be changed at the first
// login. It goes by the input of chpasswd(8), so that no list of processes has
// it.
func (p *Provider) onetimePassword(ctx context.Context, vm ispctl.VM) (string, error) {
	password := newPassword()
	if _, err := p.inGuest(ctx, vm, "root:"+password+"\n", "/usr/sbin/chpasswd"); err != nil {
		return "", err
	}
	_, err := p.inGuest(ctx, vm, "", "/usr/bin/chage", "-d", "0", "root")
	return password, err
}

// guestHostKeys asks the guest for the public keys of its SSH server, by another
// way than its network.
func (p *Provider) guestHostKeys(ctx context.Context, vm ispctl.VM) ([]handover.HostKey, error) {
	text, err := p.inGuest(ctx, vm, "", "/bin/sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub")
	if err != nil {
		return nil, err
	}
	keys := []handover.HostKey{}
	for line := range strings.Lines(text) {
		key, err := ispctl.ParseSSHKey(line)
		if err != nil || len(keys) == maxHostKeys {
			continue // what a guest says that is no key is not shown to anybody
		}
		fields := strings.Fields(key)
		keys = append(keys, handover.HostKey{Line: fields[0] + " " + fields[1], Fingerprint: ispctl.KeyFingerprint(key)})
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("the guest names no SSH host key")
	}
	return keys, nil
}

// describeHanded is what is known of a VM without asking it.
func (p *Provider) describeHanded(m *ispctl.Model, vm ispctl.VM) handover.VM {
	v := handover.VM{
		Name: vm.Name, Addresses: []string{}, SSH: []string{}, KnownAs: []string{}, Keys: []string{}, Forwards: []string{}, Limits: []handover.Limit{},
		Console: "ask your operator: ispctl vm console " + string(vm.Name),
	}
	if m.Gateway.Configured() && vm.Tenant != "" {
		say := gatewayCommand(m, vm.Tenant)
		v.Console = strings.Replace(say, "ssh ", "ssh -t ", 1) + " vm console " + string(vm.Name)
		v.Report = say + " usage " + string(vm.Name)
	}
	for _, nic := range vm.ZoneNICs() {
		v.Addresses = append(v.Addresses, addressesOf(nic)...)
	}
	for _, nic := range vm.AdminNICs() {
		v.AdminAddress = nic.Addr.String()
		v.SSH = append(v.SSH, "ssh root@"+v.AdminAddress)
	}
	for _, a := range m.AddressesOf(vm.Name, ispctl.VMModes...) {
		v.Addresses = append(v.Addresses, a.Addr.String())
	}
	for _, f := range m.Forwards {
		if f.VM != vm.Name {
			continue
		}
		v.Forwards = append(v.Forwards, fmt.Sprintf("%s to its port %d", f.Outside(), f.Port))
		const ssh = 22
		if f.Port == ssh && f.Listen.Proto == ispctl.TCP {
			v.SSH = append(v.SSH, fmt.Sprintf("ssh -p %d root@%s", f.Listen.Port, f.Listen.Addr))
			v.KnownAs = append(v.KnownAs, fmt.Sprintf("[%s]:%d", f.Listen.Addr, f.Listen.Port))
		}
	}
	for _, key := range vm.SSHKeys {
		v.Keys = append(v.Keys, ispctl.KeyFingerprint(key))
	}
	if plan, err := m.SizedPlan(vm); err == nil {
		v.Limits = append(v.Limits, handover.Limit{Name: "CPUs", Value: fmt.Sprint(plan.CPUs)}, handover.Limit{Name: "Memory", Value: plan.Memory.String()},
			handover.Limit{Name: "Disk", Value: plan.Disk.String()})
	}
	for _, q := range m.Quotas {
		if q.VM == vm.Name {
			v.Limits = append(v.Limits, handover.Limit{Name: "Traffic in a month", Value: q.Volume.String()})
		}
		if q.Tenant != "" && q.Tenant == vm.Tenant {
			v.Limits = append(v.Limits, handover.Limit{Name: "Traffic in a month, of all your VMs", Value: q.Volume.String()})
		}
	}
	return v
}

// ResetPassword gives root in a VM a password for once, and returns it. It is
// kept nowhere.
func (p *Provider) ResetPassword(ctx context.Context, name string) (string, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return "", err
	}
	vm, err := m.VM(name)
	if err != nil {
		return "", err
	}
	password, err := p.onetimePassword(ctx, vm)
	if err != nil {
		return "", err
	}
	_, err = p.Store.Update(ctx, state.Entry{Actor: p.Actor, Operation: "vm reset-password", Object: "vm " + name}, func(*state.Tx) error { return nil })
	return password, err
}

// AddKey lets another SSH key log in as root, in the guest now and after each
// rebuild.
func (p *Provider) AddKey(ctx context.Context, name string, keys []string, wait time.Duration, o Options) (Result, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return Result{}, err
	}
	vm, err := m.VM(name)
	if err != nil {
		return Result{}, err
	}
	if !o.DryRun {
		if err := p.waitGuest(ctx, vm, wait); err != nil {
			return Result{}, err
		}
	}
	r, err := p.change(ctx, o, state.Entry{Operation: "vm add-key", Object: "vm " + name}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		if vm, err = m.VM(name); err != nil {
			return nil, err
		}
		var said []string
		for _, key := range keys {
			if !slices.Contains(vm.SSHKeys, key) {
				vm.SSHKeys = append(slices.Clip(vm.SSHKeys), key)
				said = append(said, fmt.Sprintf("+ vm %s key %s", name, ispctl.KeyFingerprint(key)))
			}
		}
		if len(said) == 0 {
			return nil, nil
		}
		return said, tx.SetKeys(vm.ID, vm.SSHKeys)
	})
	if err != nil || o.DryRun {
		return r, err
	}
	return r, p.putGuestKeys(ctx, vm)
}

// RootView is who holds root on a VM, as scripts see it.
type RootView struct {
	Tenant   string     `json:"tenant"` // it was handed to; empty: it is the operator's
	Since    *time.Time `json:"since,omitempty"`
	Operator bool       `json:"operator"` // the operator has it, too, or has it alone
}

func viewRoot(vm ispctl.VM) RootView {
	if vm.Holder() == "" {
		return RootView{Operator: true}
	}
	since := vm.Root.Since.UTC()
	return RootView{Tenant: string(vm.Holder()), Since: &since, Operator: vm.Root.Operator}
}
