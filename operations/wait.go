package operations

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
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
	log := m.Paths.SerialLog(vm.UUID)
	waits := func() {
		p.progress(Progress{Object: "vm " + name, Phase: "ssh", Text: fmt.Sprintf("still waiting after %s; its console: %s", time.Since(start).Round(time.Second), lastWords(log))})
	}
	if err := pollSSH(ctx, target, waits); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return &ispctl.Error{
				Kind: ispctl.TimedOut, Object: fmt.Sprintf("vm %q", name),
				Cause: fmt.Sprintf("SSH on %s did not answer within %s; the last on its console: %s", target, timeout, lastWords(log)), Err: err,
				Next: fmt.Sprintf("look at all it says (ispctl vm logs %s), or be there (ispctl vm console %s)", name, name),
			}
		}
		return err
	}
	p.progress(Progress{Object: "vm " + name, Phase: "ssh", Text: target + " answers", Done: true, Took: time.Since(start)})
	faults, err := p.Store.Faults(ctx)
	if err != nil {
		return err
	}
	if err := p.Store.Record(ctx, faults, map[int64][]state.Phase{vm.ID: {{Name: "ssh", At: time.Now().UTC()}}}); err != nil {
		return err
	}
	phases, err := p.Store.Phases(ctx, vm.ID)
	if err != nil {
		return err
	}
	var text []string
	for _, ph := range phases {
		text = append(text, fmt.Sprintf("%s +%.1fs", ph.Name, ph.At.Sub(vm.Created).Seconds()))
	}
	p.progress(Progress{Object: "vm " + name, Phase: "up", Text: "first came to " + strings.Join(text, ", ")})
	return nil
}

// lastWords is the last line of a console, in quotes: a guest may write what
// steers a terminal.
func lastWords(file string) string {
	const tail, most = 4 << 10, 160
	f, err := os.Open(file)
	if err != nil {
		return "nothing"
	}
	defer f.Close() //nolint:errcheck // it was only read
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, end-tail), io.SeekStart)
	}
	text, err := io.ReadAll(io.LimitReader(f, tail))
	if err != nil {
		return "nothing"
	}
	lines := strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		if line := strings.TrimSpace(lines[i]); line != "" {
			return strconv.QuoteToASCII(line[:min(len(line), most)])
		}
	}
	return "nothing"
}

// operatorAddr is where operators reach a VM.
func operatorAddr(vm ispctl.VM) netip.Addr {
	if admin := vm.AdminNICs(); len(admin) > 0 {
		return admin[0].Addr
	}
	return vm.NICs[0].Addr
}

// The times between two tries, and between two signs of life.
const (
	tryEvery  = 200 * time.Millisecond
	tellEvery = 15 * time.Second
)

// How long a server may take to a connection, and from there to its banner: at
// first, and at the most. A guest under emulation may need a minute to fork one;
// whoever leaves it sooner leaves it with one more that nobody waits for.
const (
	connectTime   = 5 * time.Second
	bannerTime    = 5 * time.Second
	maxBannerTime = 2 * time.Minute
	lookEvery     = time.Second // at ctx, and at the clock
)

// pollSSH tries until a banner comes, and returns why the last try failed. It
// tells of itself meanwhile.
func pollSSH(ctx context.Context, target string, waits func()) error {
	last := time.Now()
	tell := func() {
		if time.Since(last) >= tellEvery {
			last = time.Now()
			waits()
		}
	}
	for patience := bannerTime; ; {
		err := banner(ctx, target, patience, tell)
		if err == nil {
			return nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			patience = min(2*patience, maxBannerTime)
		}
		tell()
		select {
		case <-ctx.Done():
			return err
		case <-time.After(tryEvery):
		}
	}
}

// banner connects, and reads until the server has said who it is. It calls tell
// now and then.
func banner(ctx context.Context, target string, patience time.Duration, tell func()) error {
	d := net.Dialer{Timeout: connectTime}
	conn, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	r, until := bufio.NewReader(conn), time.Now().Add(patience)
	if end, set := ctx.Deadline(); set && end.Before(until) {
		until = end
	}
	for {
		look := time.Now().Add(lookEvery)
		if until.Before(look) {
			look = until
		}
		if err := conn.SetReadDeadline(look); err != nil {
			return err
		}
		// What came before the deadline stays in the buffer.
		hello, err := r.Peek(len(sshHello))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil && look.Before(until):
			tell()
			continue
		case err != nil:
			return fmt.Errorf("read banner: %w", err)
		case string(hello) != sshHello:
			return errors.New("what answers is no SSH server")
		}
		return nil
	}
}

// sshHello is what the line of a server begins with (RFC 4253, 4.2).
const sshHello = "SSH-"
