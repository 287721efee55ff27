package cli

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/control"
	"ispctl/internal/unixsock"
)

// callEnv is what of a caller's environment a command goes by: how his terminal
// is, and the connection that no change should cut off.
var callEnv = []string{"TERM", "NO_COLOR", "COLUMNS", "LANG", "TZ", sshEnv}

// controlTask answers users of the host who are not root.
func (a *app) controlTask(inst ispctl.Installation, say *log.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		l, err := unixsock.Listen(a.paths().Control())
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		// Everybody may connect, and is told that he is nobody; who he is, the
		// kernel says.
		if err := os.Chmod(a.paths().Control(), 0o666); err != nil {
			return errors.Join(err, l.Close())
		}
		s := control.Server{Known: knownBy(inst), Run: a.runCall(say), Limits: control.DefaultLimits, Say: say}
		return s.Serve(ctx, l)
	}
}

// knownBy tells somebody's role by his groups, as they are called now.
func knownBy(inst ispctl.Installation) func(control.Peer) (string, error) {
	return func(p control.Peer) (string, error) {
		if p.UID == 0 {
			return roleOperator, nil
		}
		for _, one := range []struct{ role, group string }{{roleOperator, inst.OperatorGroup()}, {roleAuditor, inst.AuditorGroup()}} {
			g, err := user.LookupGroup(one.group)
			if err != nil {
				continue // there is none, and nobody is in it
			}
			if gid, err := strconv.ParseUint(g.Gid, 10, 32); err == nil && p.In(uint32(gid)) {
				return one.role, nil
			}
		}
		return "", &ispctl.Error{
			Kind: ispctl.Permission, Object: "user " + userName(p.UID), Cause: fmt.Sprintf("is in neither group, %s nor %s", inst.OperatorGroup(), inst.AuditorGroup()),
			Next: "run it as root, or have yourself put into one and log in anew",
		}
	}
}

func userName(uid uint32) string {
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		return u.Username
	}
	return strconv.FormatUint(uint64(uid), 10)
}

// runCall has a child do what somebody may ask, as it would for root: libvirt's
// embedded driver belongs to a process until that ends.
func (a *app) runCall(say *log.Logger) func(context.Context, control.Peer, string, control.Call, [3]*os.File) int {
	return func(ctx context.Context, p control.Peer, role string, c control.Call, stdio [3]*os.File) int {
		if err := mayAsk(role, a.rootDir, c.Args); err != nil {
			fmt.Fprintln(stdio[2], "ispctl:", err)
			say.Printf("control: %s %s: %v", role, userName(p.UID), err)
			return exitCodes[ispctl.KindOf(err)]
		}
		cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{"--root=" + a.rootDir}, c.Args...)...)
		cmd.Args[0] = "ispctl"
		cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) } // as ^C would
		cmd.Stdin, cmd.Stdout, cmd.Stderr = stdio[0], stdio[1], stdio[2]
		cmd.Env = append(environment(), callerEnv(p, role, c.Env)...)
		cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
		err := cmd.Run()
		if e, is := errors.AsType[*exec.ExitError](err); is && e.ExitCode() >= 0 {
			return e.ExitCode()
		}
		if err != nil {
			say.Printf("control: %s %s: %v", role, userName(p.UID), err)
			fmt.Fprintln(stdio[2], "ispctl: it was cut off:", err)
			return exitCodes[ispctl.Failed]
		}
		return 0
	}
}

// callerEnv is what a child is to know of its caller. It is root's to say, so the
// child believes it.
func callerEnv(p control.Peer, role string, said map[string]string) []string {
	const longest = 256
	env := []string{fmt.Sprintf("%s=%d:%s:%s", askerEnv, p.UID, role, userName(p.UID))}
	for name, value := range said {
		if slices.Contains(callEnv, name) && len(value) <= longest && !strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) }) {
			env = append(env, name+"="+value)
		}
	}
	return env
}
