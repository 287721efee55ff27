package operations

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"ispctl"
	"ispctl/state"
)

// sshPort is where a guest answers when it is up.
const sshPort = 22

// WaitSSH waits until the VM's SSH server says who it is (RFC 4253, 4.2), and
// notes the phase. It asks from the host, by the zone's admin leg where the VM is
// on it, so that it does not depend on forwards or on policies.
func (p *Provider) WaitSSH(ctx context.Context, name string, timeout time.Duration) error {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return err
	}
	vm, err := m.VM(name)
	if err != nil {
		return err
	}
	if len(vm.NICs) == 0 {
		return ispctl.Invalid("vm", name, "has no NIC to answer on")
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	target := joinPort(operatorAddr(vm), sshPort)
	p.progress(Progress{Object: "vm " + name, Phase: "ssh", Text: "waiting for " + target})
	if err := pollSSH(ctx, target); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return &ispctl.Error{
				Kind: ispctl.TimedOut, Object: fmt.Sprintf("vm %q", name), Cause: fmt.Sprintf("SSH on %s did not answer within %s", target, timeout), Err: err,
				Next: "look at what it says: " + m.Paths.SerialLog(vm.UUID),
			}
		}
		return err
	}
	p.progress(Progress{Object: "vm " + name, Phase: "ssh", Text: target + " answers", Done: true, Took: time.Since(start)})
	faults, err := p.Store.Faults(ctx)
	if err != nil {
		return err
	}
	return p.Store.Record(ctx, faults, map[int64][]state.Phase{vm.ID: {{Name: "ssh", At: time.Now().UTC()}}})
}

// operatorAddr is where operators reach a VM.
func operatorAddr(vm ispctl.VM) netip.Addr {
	if admin := vm.AdminNICs(); len(admin) > 0 {
		return admin[0].Addr
	}
	return vm.NICs[0].Addr
}

// pollSSH tries until a banner comes, and returns why the last try failed.
func pollSSH(ctx context.Context, target string) error {
	const pause = 200 * time.Millisecond
	for {
		err := banner(ctx, target)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func banner(ctx context.Context, target string) error {
	const patience = 5 * time.Second
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(conn, 256).ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("read banner: %w", err)
	}
	if !strings.HasPrefix(string(line), "SSH-") {
		return errors.New("what answers is no SSH server")
	}
	return nil
}
