package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/gateway"
	"ispctl/state"
)

// How soon a key that was taken back, or another address, is noticed; and, where
// there is no gateway, that there is to be one.
const (
	gatewayPoll = time.Second
	gatewayIdle = 5 * time.Second
)

// gatewayTask answers tenants for as long as there is a gateway, wherever it is
// by then.
func (a *app) gatewayTask(inst ispctl.Installation, say *log.Logger) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		store, err := state.Open(ctx, inst, a.paths())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		g := &gatewayRunner{app: a, store: store, say: say}
		defer g.stop()
		for seen := int64(-1); ; {
			now, err := store.Generation(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			if now != seen {
				m, err := store.Model(ctx)
				if err != nil {
					return err
				}
				if err := g.become(ctx, m.Gateway); err != nil {
					return err
				}
				seen = now
			}
			poll := gatewayIdle
			if g.server != nil {
				poll = gatewayPoll
			}
			select {
			case <-ctx.Done():
				return nil
			case err := <-g.ended:
				return err
			case <-time.After(poll):
			}
		}
	}
}

// gatewayRunner keeps the server that there is to be.
type gatewayRunner struct {
	app   *app
	store *state.Store
	say   *log.Logger

	at     ispctl.Gateway
	server *gateway.Server
	end    context.CancelFunc
	ended  chan error
}

func (g *gatewayRunner) become(ctx context.Context, want ispctl.Gateway) error {
	if want == g.at {
		if g.server != nil {
			g.server.Recheck(ctx)
		}
		return nil
	}
	g.stop()
	g.at = want
	if !want.Configured() {
		return nil
	}
	key, err := gateway.HostKey(g.app.paths().GatewayKey())
	if err != nil {
		return err
	}
	l, err := gateway.Listen(ctx, want.Listen)
	if err != nil {
		return err
	}
	g.server = &gateway.Server{Key: key, Known: g.known, Run: g.run, Limits: gateway.DefaultLimits, Say: g.say}
	serving, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	g.end, g.ended = end, ended
	server := g.server
	go func() { ended <- server.Serve(serving, l) }()
	g.say.Printf("gateway: answers tenants at %s", want.Listen)
	return nil
}

func (g *gatewayRunner) stop() {
	if g.end != nil {
		g.end()
		<-g.ended
	}
	g.server, g.end, g.ended, g.at = nil, nil, nil, ispctl.Gateway{}
}

// known asks the database each time: a key that was taken back opens nothing.
func (g *gatewayRunner) known(ctx context.Context, tenant, fingerprint string) bool {
	m, err := g.store.Model(ctx)
	if err != nil {
		return false
	}
	t, err := m.Tenant(tenant)
	return err == nil && slices.ContainsFunc(t.Keys, func(key string) bool { return ispctl.KeyFingerprint(key) == fingerprint })
}

// run has a child do what a tenant asks: libvirt's embedded driver belongs to a
// process until that ends, and what a command does wrong ends with it. What the
// tenant is to read comes by a descriptor of its own; all else the child says,
// were it the trace of a panic, goes to the log.
func (g *gatewayRunner) run(ctx context.Context, s gateway.Session) int {
	fail := func(err error) int {
		g.say.Printf("gateway: tenant %s: %v", s.Tenant, err)
		fmt.Fprintln(s.Err, "that cannot be done at the moment; try again; if it stays so, ask your provider")
		return 1
	}
	errs, child, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer errs.Close() //nolint:errcheck // it was only read
	cmd := g.app.sessionCommand(s)
	in, err := cmd.StdinPipe()
	if err != nil {
		return fail(errors.Join(err, child.Close()))
	}
	lines := &lines{say: func(line string) { g.say.Printf("gateway: tenant %s: %s", s.Tenant, line) }}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = s.Out, lines, []*os.File{child}
	err = cmd.Start()
	_ = child.Close()
	if err != nil {
		return fail(err)
	}
	said := make(chan struct{})
	go func() { _, _ = io.Copy(s.Err, errs); close(said) }()
	go func() { _, _ = io.Copy(in, s.In); _ = in.Close() }() // ends with the session
	// Who leaves ends his console. Anything else is done to its end: a command
	// that was taken is done.
	left := context.AfterFunc(ctx, func() {
		if slices.Contains(s.Words, "console") {
			_ = cmd.Process.Signal(unix.SIGTERM)
		}
	})
	defer left()
	err = cmd.Wait()
	<-said
	lines.flush()
	if e, is := errors.AsType[*exec.ExitError](err); is && e.ExitCode() >= 0 {
		return e.ExitCode()
	}
	if err != nil {
		return fail(err)
	}
	return 0
}

// sessionCommand is the child. Its words are plain ones, and none is taken for a
// flag of the command itself.
func (a *app) sessionCommand(s gateway.Session) *exec.Cmd {
	args := []string{
		"--root=" + a.rootDir, "--lock-timeout=" + a.lockWait.String(),
		"gateway", "session", "--tenant=" + s.Tenant, "--from=" + s.From.String(), "--key=" + s.Fingerprint, "--tell=3", "--",
	}
	cmd := exec.Command("/proc/self/exe", append(args, s.Words...)...)
	cmd.Args[0] = "ispctl"
	cmd.Env = environment()
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	return cmd
}

// environment is what of serve's own a child has need of.
func environment() []string {
	var env []string
	for _, name := range []string{"PATH", RootEnv, enteredEnv, "HOME", "XDG_RUNTIME_DIR", "LANG"} {
		if value, has := os.LookupEnv(name); has {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// addrPort reads what sessionCommand wrote.
func addrPort(s string) netip.AddrPort {
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{}
	}
	return at
}
