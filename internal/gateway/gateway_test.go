package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"ispctl/internal/testkit"
)

// yard is a gateway on a loopback of its own, with OpenSSH's client before it.
type yard struct {
	t      *testing.T
	at     netip.AddrPort
	dir    string
	hosts  string // known_hosts
	server *Server
	end    context.CancelFunc

	mu    sync.Mutex
	known map[string]string // fingerprint to tenant
	said  bytes.Buffer
}

// newYard has a key "acme" of tenant acme and a key "stranger" of nobody's.
func newYard(t *testing.T, limits Limits, run func(context.Context, Session) int) *yard {
	t.Helper()
	testkit.Need(t, testkit.Feature{Name: "OpenSSH", Probe: func() error { _, err := exec.LookPath("ssh"); return err }})
	testkit.NetNS(t)
	y := &yard{t: t, dir: t.TempDir(), known: map[string]string{}}
	for _, name := range []string{"acme", "stranger"} {
		testkit.Sh(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(y.dir, name))
	}
	y.known[y.fingerprint("acme")] = "acme"
	key, err := HostKey(filepath.Join(y.dir, "host_key"))
	check(t, err)
	ctx, end := context.WithCancel(t.Context())
	y.end = end
	l, err := Listen(ctx, netip.MustParseAddrPort("127.0.0.1:0"))
	check(t, err)
	y.at = netip.MustParseAddrPort(l.Addr().String())
	y.hosts = filepath.Join(y.dir, "known_hosts")
	check(t, os.WriteFile(y.hosts, fmt.Appendf(nil, "[127.0.0.1]:%d %s", y.at.Port(), ssh.MarshalAuthorizedKey(key.PublicKey())), 0o600))
	y.server = &Server{
		Key: key, Limits: limits, Run: run, Say: log.New(&locked{w: &y.said, mu: &y.mu}, "", 0),
		Known: func(_ context.Context, tenant, print string) bool {
			y.mu.Lock()
			defer y.mu.Unlock()
			return tenant != "" && y.known[print] == tenant
		},
	}
	done := make(chan error, 1)
	go func() { done <- y.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		end()
		check(t, <-done)
	})
	return y
}

type locked struct {
	w  io.Writer
	mu *sync.Mutex
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func (y *yard) fingerprint(key string) string {
	line, err := os.ReadFile(filepath.Join(y.dir, key+".pub"))
	check(y.t, err)
	public, _, _, _, err := ssh.ParseAuthorizedKey(line)
	check(y.t, err)
	return ssh.FingerprintSHA256(public)
}

// command is the client: no configuration, no agent, no question, and a host key
// that has to be the one that was told.
func (y *yard) command(user, key string, more ...string) *exec.Cmd {
	args := []string{
		"-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "UserKnownHostsFile=" + y.hosts, "-o", "StrictHostKeyChecking=yes",
		"-o", "ConnectTimeout=30", "-p", strconv.Itoa(int(y.at.Port())), "-i", filepath.Join(y.dir, key), "-l", user,
	}
	return exec.Command("ssh", append(args, more...)...)
}

// ssh runs it, and returns its exit code, what it printed, and what it said.
func (y *yard) ssh(user, key string, more ...string) (code int, out, said string) {
	y.t.Helper()
	cmd := y.command(user, key, more...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// echo says what it was asked.
func echo(_ context.Context, s Session) int {
	fmt.Fprintf(s.Out, "%s asks %q from %s with %s\n", s.Tenant, s.Words, s.From.Addr(), s.Fingerprint)
	fmt.Fprintln(s.Err, "aside")
	return 7
}

// TestGateway: who is let in, and what can be asked, by OpenSSH's own client.
func TestGateway(t *testing.T) {
	limits := DefaultLimits
	limits.Failures = 100
	y := newYard(t, limits, echo)
	part(t, "a command", func(t *testing.T) {
		code, out, said := y.ssh("acme", "acme", "127.0.0.1", "vm", "show", "web1")
		if want := `acme asks ["vm" "show" "web1"] from 127.0.0.1 with ` + y.fingerprint("acme") + "\n"; code != 7 || out != want || !strings.Contains(said, "aside") {
			t.Errorf("exit %d\n%s%s", code, out, said)
		}
	})
	part(t, "no command", func(t *testing.T) {
		if code, out, said := y.ssh("acme", "acme", "127.0.0.1"); code != 7 || !strings.Contains(out, "asks []") {
			t.Errorf("exit %d\n%s%s", code, out, said)
		}
	})
	for name, who := range map[string][2]string{
		"a key of nobody's": {"acme", "stranger"}, "another tenant's name": {"other", "acme"}, "no tenant's name": {"root", "acme"}, "no name": {"", "acme"},
	} {
		part(t, name, func(t *testing.T) {
			if code, out, said := y.ssh(who[0], who[1], "127.0.0.1", "vm", "list"); code != 255 || out != "" {
				t.Errorf("exit %d\n%s%s", code, out, said)
			}
		})
	}
	for _, words := range []string{"vm list; id", "vm list | cat", "vm list && id", "vm show $(id)", "vm show `id`", "vm list > /tmp/x", "vm show \"a b\"", "vm show 'a'", "vm show a\\ b", "vm list\nid", "vm show *", "vm show ~root", "vm show é", "vm show a&", strings.Repeat("a ", 20), strings.Repeat("a", 2000)} {
		part(t, "words "+words[:min(len(words), 20)], func(t *testing.T) {
			if code, out, said := y.ssh("acme", "acme", "127.0.0.1", words); code != exitUsage || out != "" || said == "" {
				t.Errorf("exit %d\n%s%s", code, out, said)
			}
		})
	}
	part(t, "sftp", func(t *testing.T) {
		if code, out, said := y.ssh("acme", "acme", "-s", "127.0.0.1", "sftp"); code != 255 && code != 1 || strings.Contains(out, "asks") {
			t.Errorf("exit %d\n%s%s", code, out, said)
		}
	})
	part(t, "environment", func(t *testing.T) {
		cmd := y.command("acme", "acme", "-o", "SetEnv=ISPCTL_ROOT=/tmp LD_PRELOAD=x", "127.0.0.1", "vm", "list")
		if out, _ := cmd.Output(); !strings.Contains(string(out), `asks ["vm" "list"]`) {
			t.Errorf("%s", out)
		}
		if os.Getenv("LD_PRELOAD") == "x" {
			t.Error("it came through")
		}
	})
	part(t, "a terminal", func(t *testing.T) {
		if code, out, said := y.ssh("acme", "acme", "-tt", "127.0.0.1", "vm", "console", "web1"); code != 7 || !strings.Contains(out, `"console"`) {
			t.Errorf("exit %d\n%s%s", code, out, said)
		}
	})
	part(t, "forwarding", func(t *testing.T) { y.forwards(t) })
	part(t, "a password", func(t *testing.T) {
		_, _, said := y.ssh("acme", "stranger", "-o", "PreferredAuthentications=password,keyboard-interactive,none", "127.0.0.1", "vm", "list")
		if !strings.Contains(said, "(publickey)") {
			t.Errorf("another way in than by a key: %s", said)
		}
	})
}

// forwards tries to reach a server of the host through the gateway, both ways.
func (y *yard) forwards(t *testing.T) {
	secret, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer secret.Close() //nolint:errcheck // a test
	reached := make(chan struct{}, 1)
	go func() {
		for {
			conn, err := secret.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
			reached <- struct{}{}
		}
	}()
	code, out, said := y.ssh("acme", "acme", "-W", secret.Addr().String(), "127.0.0.1")
	if code == 0 || len(reached) > 0 || !strings.Contains(said, "unsupported channel type") {
		t.Errorf("direct: exit %d\n%s%s", code, out, said)
	}
	code, out, said = y.ssh("acme", "acme", "-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "127.0.0.1")
	if code != 255 {
		t.Errorf("reverse: exit %d\n%s%s", code, out, said)
	}
}

// TestTakenBack: a key that is no tenant's any more opens nothing, and what it
// has open is cut off.
func TestTakenBack(t *testing.T) {
	in := make(chan struct{}, 1)
	y := newYard(t, DefaultLimits, func(ctx context.Context, _ Session) int {
		in <- struct{}{}
		<-ctx.Done()
		return 0
	})
	cmd := y.command("acme", "acme", "127.0.0.1", "vm", "console", "web1")
	check(t, cmd.Start())
	<-in
	y.server.Recheck(t.Context()) // as it is known, it stays
	y.mu.Lock()
	clear(y.known)
	y.mu.Unlock()
	y.server.Recheck(t.Context())
	_ = cmd.Wait()
	if code, _, _ := y.ssh("acme", "acme", "127.0.0.1", "vm", "list"); code != 255 {
		t.Errorf("and then: exit %d", code)
	}
}

// TestBounds: sessions of a tenant, failed logins from one source, and strangers
// who say nothing.
func TestBounds(t *testing.T) {
	limits := DefaultLimits
	limits.Sessions, limits.Failures, limits.Window, limits.Grace = 2, 3, time.Hour, time.Second
	in, out := make(chan struct{}, 9), make(chan struct{})
	y := newYard(t, limits, func(ctx context.Context, _ Session) int {
		in <- struct{}{}
		select {
		case <-out:
		case <-ctx.Done():
		}
		return 0
	})
	var open []*exec.Cmd
	for range limits.Sessions {
		cmd := y.command("acme", "acme", "127.0.0.1", "vm", "list")
		check(t, cmd.Start())
		<-in
		open = append(open, cmd)
	}
	if code, _, said := y.ssh("acme", "acme", "127.0.0.1", "vm", "list"); code != exitBusy || !strings.Contains(said, "2 sessions are open already") {
		t.Errorf("one more: exit %d, %s", code, said)
	}
	close(out)
	for _, cmd := range open {
		check(t, cmd.Wait())
	}
	if code, _, said := y.ssh("acme", "acme", "127.0.0.1", "vm", "list"); code != 0 {
		t.Errorf("after them: exit %d, %s", code, said)
	}
	// Whoever says nothing is shown out, and that is a failure.
	conn, err := net.Dial("tcp", y.at.String())
	check(t, err)
	_, err = io.Copy(io.Discard, conn)
	if err != nil {
		t.Logf("shown out: %v", err)
	}
	for range limits.Failures {
		y.ssh("acme", "stranger", "127.0.0.1", "vm", "list")
	}
	if code, _, said := y.ssh("acme", "acme", "127.0.0.1", "vm", "list"); code != 255 {
		t.Errorf("from there, with the right key, after %d failures: exit %d, %s", limits.Failures, code, said)
	}
}

// TestStrangers: the bounds by themselves, with a clock of the test's.
func TestStrangers(t *testing.T) {
	s := newStrangers(Limits{Strangers: 3, OfOne: 2, Failures: 2, Window: time.Minute})
	now := time.Unix(1e9, 0)
	s.now = func() time.Time { return now }
	a, b := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/64")
	want := func(what string, p netip.Prefix, ok bool) {
		t.Helper()
		if s.enter(p) != ok {
			t.Errorf("%s: let in %v", what, !ok)
		}
	}
	want("first", a, true)
	want("second", a, true)
	want("one too many from there", a, false)
	want("from elsewhere", b, true)
	want("one too many at all", netip.MustParsePrefix("192.0.2.9/32"), false)
	s.leave(a, true)
	s.leave(a, true)
	want("after two failures", a, false)
	now = now.Add(2 * time.Minute)
	want("when they are forgotten", a, true)
	s.leave(a, false)
	s.leave(b, false)
	s.forget()
	if len(s.from) != 0 || s.all != 0 {
		t.Errorf("left behind: %v, %d", s.from, s.all)
	}
	if got := sourceOf(&net.TCPAddr{IP: net.ParseIP("2001:db8::1:2:3:4"), Port: 1}); got != b {
		t.Errorf("a host's net: %v", got)
	}
	if got := sourceOf(&net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 1}); got != a {
		t.Errorf("a host: %v", got)
	}
}

// TestHostKey is made once, private, and refused when it is not.
func TestHostKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	one, err := HostKey(path)
	check(t, err)
	two, err := HostKey(path)
	check(t, err)
	if ssh.FingerprintSHA256(one.PublicKey()) != ssh.FingerprintSHA256(two.PublicKey()) {
		t.Error("another one the second time")
	}
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %s", info.Mode())
	}
	check(t, os.Chmod(path, 0o640))
	if _, err := HostKey(path); err == nil || !strings.Contains(err.Error(), "others can read it") {
		t.Errorf("readable by others: %v", err)
	}
	check(t, os.WriteFile(path, []byte("no key"), 0o600))
	check(t, os.Chmod(path, 0o600))
	if _, err := HostKey(path); err == nil {
		t.Error("no key at all was taken")
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// part is a part of a test in its own namespace, which is its thread's: that of
// [testing.T.Run] is another.
func part(t *testing.T, name string, do func(*testing.T)) {
	t.Helper()
	t.Log(name)
	do(t)
}
