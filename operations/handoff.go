package operations

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ispctl"
	"ispctl/handover"
	"ispctl/state"
)

// HandoffSpec is what is to be handed over, and how its new owner comes in.
type HandoffSpec struct {
	Tenant       string
	VM           string        // empty: all of the tenant's
	SSHKeys      []string      // beside those that the tenant has registered
	Password     bool          // root gets one for once
	KeepOperator bool          // the keys that were there stay
	Wait         time.Duration // for the guests' agents, and for cloud-init in them
	GatewayKey   string        // TYPE BASE64 of the tenants' gateway's host key; empty: it is not told
}

// HandOff gives root on VMs to their tenant. The keys of who had it go from the
// guests unless they are to stay, and what is made here (a password for once, a
// peer of the VPN) is in the document and nowhere else. To hand over again makes
// all of it anew.
func (p *Provider) HandOff(ctx context.Context, spec HandoffSpec, o Options) (Result, handover.Document, error) {
	var doc handover.Document
	m, err := p.Store.Model(ctx)
	if err != nil {
		return Result{}, doc, err
	}
	tenant, vms, err := handed(m, spec)
	if err != nil {
		return Result{}, doc, err
	}
	keys := slices.Clone(tenant.Keys)
	for _, key := range spec.SSHKeys {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 && !spec.Password {
		return Result{}, doc, &ispctl.Error{
			Kind: ispctl.Usage, Object: fmt.Sprintf("tenant %q", spec.Tenant), Cause: "could not log in: it has no SSH key",
			Next: "give one (--ssh-key FILE, or ispctl tenant key add), or have a password made (--password)",
		}
	}
	if !o.DryRun {
		for _, vm := range vms { // before anything is promised that cannot be kept
			if err := p.waitGuest(ctx, vm, spec.Wait); err != nil {
				return Result{}, doc, err
			}
		}
	}
	names := make([]string, len(vms))
	for i, vm := range vms {
		names[i] = string(vm.Name)
	}
	r, err := p.change(ctx, o, state.Entry{Operation: "tenant handoff", Object: "tenant " + spec.Tenant, Detail: "vm " + strings.Join(names, ", ")},
		func(tx *state.Tx) ([]string, error) {
			var said []string
			for i := range vms {
				vm := &vms[i]
				if spec.KeepOperator {
					for _, key := range keys {
						if !slices.Contains(vm.SSHKeys, key) {
							vm.SSHKeys = append(slices.Clip(vm.SSHKeys), key)
						}
					}
				} else {
					vm.SSHKeys = keys
				}
				vm.Root = ispctl.RootHolder{Tenant: tenant.Name, Since: tx.Now, Operator: spec.KeepOperator}
				said = append(said, fmt.Sprintf("~ vm %s root -> tenant %s", vm.Name, tenant.Name))
				if err := errors.Join(tx.SetKeys(vm.ID, vm.SSHKeys), tx.PutRoot(vm.ID, vm.Root)); err != nil {
					return nil, err
				}
			}
			return said, nil
		})
	if err != nil || o.DryRun {
		return r, doc, err
	}
	doc = handover.Document{Tenant: tenant.Name, Title: tenant.Title, Made: time.Now().UTC().Truncate(time.Second), VMs: []handover.VM{}}
	for _, vm := range vms {
		one, err := p.handVM(ctx, m, vm, spec.Password)
		if err != nil {
			return r, handover.Document{}, handoffFailed(vm, err)
		}
		doc.VMs = append(doc.VMs, one)
	}
	doc.Gateway = handGateway(m, tenant, spec.GatewayKey)
	doc.VPN, err = p.handPeer(ctx, m, tenant.Name, o)
	return r, doc, err
}

// handoffFailed says what to do: all of it can be done again.
func handoffFailed(vm ispctl.VM, err error) error {
	return &ispctl.Error{
		Kind: ispctl.KindOf(err), Object: fmt.Sprintf("vm %q", vm.Name), Cause: "is not handed over yet", Err: err, Next: "hand it over again: nothing of this attempt is of use to anybody",
	}
}

// handed are the VMs that are to be handed over.
func handed(m *ispctl.Model, spec HandoffSpec) (ispctl.Tenant, []ispctl.VM, error) {
	tenant, err := m.Tenant(spec.Tenant)
	if err != nil {
		return tenant, nil, err
	}
	var vms []ispctl.VM
	for vm := range m.Guests() {
		if vm.Tenant == tenant.Name && (spec.VM == "" || string(vm.Name) == spec.VM) {
			vms = append(vms, vm)
		}
	}
	if len(vms) > 0 {
		return tenant, vms, nil
	}
	if spec.VM == "" {
		return tenant, nil, &ispctl.Error{
			Kind: ispctl.Conflict, Object: fmt.Sprintf("tenant %q", spec.Tenant), Cause: "owns no VM", Next: "give it one: ispctl vm set VM --tenant " + spec.Tenant,
		}
	}
	if _, err := m.VM(spec.VM); err != nil {
		return tenant, nil, err
	}
	return tenant, nil, &ispctl.Error{
		Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", spec.VM), Cause: fmt.Sprintf("is not tenant %q's", spec.Tenant),
		Next: fmt.Sprintf("give it to the tenant first: ispctl vm set %s --tenant %s", spec.VM, spec.Tenant),
	}
}

// handVM does in the guest what was promised, and says how to come to it.
func (p *Provider) handVM(ctx context.Context, m *ispctl.Model, vm ispctl.VM, password bool) (handover.VM, error) {
	if err := p.putGuestKeys(ctx, vm); err != nil {
		return handover.VM{}, err
	}
	v := p.describeHanded(m, vm)
	var err error
	if v.HostKeys, err = p.guestHostKeys(ctx, vm); err != nil {
		return handover.VM{}, err
	}
	if password {
		v.Password, err = p.onetimePassword(ctx, vm)
	}
	return v, err
}

// handGateway says how the tenant looks after its VMs; nil where there is no
// gateway.
func handGateway(m *ispctl.Model, tenant ispctl.Tenant, key string) *handover.Gateway {
	if !m.Gateway.Configured() || key == "" {
		return nil
	}
	return &handover.Gateway{
		SSH: gatewayCommand(m, tenant.Name), Listen: m.Gateway.Listen.String(), Known: len(tenant.Keys) > 0,
		HostKey: handover.HostKey{Line: key, Fingerprint: ispctl.KeyFingerprint(key)},
	}
}

// gatewayCommand is what a tenant says before the words of a command.
func gatewayCommand(m *ispctl.Model, tenant ispctl.Name) string {
	at := m.Gateway.Listen
	return fmt.Sprintf("ssh -p %d %s@%s", at.Port(), tenant, at.Addr())
}

// handPeer makes the tenant's peer of the VPN, or gives it another key.
func (p *Provider) handPeer(ctx context.Context, m *ispctl.Model, tenant ispctl.Name, o Options) (*handover.VPN, error) {
	if !m.VPN.Configured() {
		return nil, nil
	}
	have, err := m.Peer(string(tenant))
	var c interface {
		Text() string
		Dots() ([][]bool, error)
	}
	switch {
	case err != nil:
		_, c, err = p.AddPeer(ctx, PeerSpec{Name: tenant, Role: ispctl.TenantPeer, Tenant: tenant, Preshared: true}, false, o)
	case have.Tenant != tenant:
		err = ispctl.Conflicting("peer", string(tenant), "has the tenant's name and is not the tenant's")
	default:
		_, c, err = p.RotatePeer(ctx, string(tenant), "", o)
	}
	if err != nil {
		return nil, err
	}
	dots, err := c.Dots()
	return &handover.VPN{Peer: tenant, Config: c.Text(), QR: dots}, err
}

// passwordLetters are 32 that nobody takes for another one.
const passwordLetters = "abcdefghijkmnpqrstuvwxyz23456789"

// newPassword is one of a hundred bits, in groups that can be read aloud.
func newPassword() string {
	const groups, letters = 5, 4
	b := make([]byte, groups*letters)
	_, _ = rand.Read(b) // never fails
	var text strings.Builder
	for i, n := range b {
		if i > 0 && i%letters == 0 {
			text.WriteByte('-')
		}
		text.WriteByte(passwordLetters[int(n)%len(passwordLetters)])
	}
	return text.String()
}
