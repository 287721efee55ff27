package operations

import (
	"context"
	"fmt"
	"net/netip"

	"ispctl"
)

// SSHWay is how an operator on the host logs in to a VM.
type SSHWay struct {
	Login string // the template's
	Addr  netip.Addr
	Alias string // under which the host key is known: its UUID, which no other VM ever has
	Key   string // public, of its server
}

// KnownHosts is a known_hosts(5) with that one key.
func (w SSHWay) KnownHosts() string { return w.Alias + " " + w.Key + "\n" }

// SSH is the way to a VM that is to run.
func (p *Provider) SSH(ctx context.Context, name string) (SSHWay, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return SSHWay{}, err
	}
	vm, err := m.VM(name)
	if err != nil {
		return SSHWay{}, err
	}
	object := fmt.Sprintf("vm %q", name)
	t, err := p.Templates.Get(string(vm.Template))
	switch {
	case err != nil:
		return SSHWay{}, err
	case vm.Wanted != ispctl.Running:
		return SSHWay{}, &ispctl.Error{Kind: ispctl.Conflict, Object: object, Cause: "is not running", Next: "start it: ispctl vm start " + name}
	case len(vm.NICs) == 0:
		return SSHWay{}, ispctl.Conflicting("vm", name, "has no NIC to answer on")
	case vm.HostKey == "":
		return SSHWay{}, &ispctl.Error{
			Kind: ispctl.Conflict, Object: object, Cause: "was made before ispctl gave guests their SSH host keys, so who answers is not known",
			Next: fmt.Sprintf("make it anew (ispctl vm rebuild %s), or run ssh %s@%s and compare the key yourself", name, t.Login, operatorAddr(vm)),
		}
	}
	return SSHWay{Login: t.Login, Addr: operatorAddr(vm), Alias: vm.UUID, Key: vm.HostKey}, nil
}
