package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl/internal/control"
	"ispctl/internal/testkit"
	"ispctl/internal/unixsock"
)

const askEnv = "ISPCTL_TEST_ASK"

// TestMain is a caller where a test has started it as one.
func TestMain(m *testing.M) {
	socket := os.Getenv(askEnv)
	if socket == "" {
		os.Exit(m.Run())
	}
	ctx, stop := context.WithCancel(context.Background())
	if os.Args[len(os.Args)-1] == "leave" {
		time.AfterFunc(200*time.Millisecond, stop)
	}
	code, err := control.Ask(ctx, socket, control.Call{Args: os.Args[1:], Env: map[string]string{"TERM": "x"}})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 99
	}
	os.Exit(code)
}

// yard is a server that knows members of group 4242, and says what it is asked.
type yard struct {
	t      *testing.T
	socket string
	self   string // this program, where anybody can run it
	ends   context.CancelFunc
}

func newYard(t *testing.T, limits control.Limits, run func(context.Context, control.Call, [3]*os.File) int) yard {
	t.Helper()
	testkit.Need(t, testkit.Root)
	dir, err := os.MkdirTemp("", "isp")
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o755))
	y := yard{t: t, socket: filepath.Join(dir, strings.Repeat("long", 30), "s"), self: filepath.Join(dir, "self")}
	exe, err := os.ReadFile("/proc/self/exe")
	check(t, err)
	check(t, os.WriteFile(y.self, exe, 0o755))
	l, err := unixsock.Listen(y.socket)
	check(t, err)
	check(t, os.Chmod(y.socket, 0o666))
	s := control.Server{
		Limits: limits, Say: log.New(io.Discard, "", 0),
		Known: func(p control.Peer) (string, error) {
			if p.In(4242) {
				return fmt.Sprintf("known %d", p.UID), nil
			}
			return "", errors.New("unknown")
		},
		Run: func(ctx context.Context, _ control.Peer, role string, c control.Call, stdio [3]*os.File) int {
			fmt.Fprintf(stdio[2], "%s asks %q with TERM=%s\n", role, c.Args, c.Env["TERM"])
			return run(ctx, c, stdio)
		},
	}
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	y.ends = end
	t.Cleanup(func() {
		end()
		check(t, <-done)
	})
	return y
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// as asks as somebody.
func (y yard) as(who syscall.Credential, stdin string, args ...string) (code int, out, said string) {
	y.t.Helper()
	cmd := exec.Command(y.self, args...)
	cmd.Env = []string{askEnv + "=" + y.socket}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &who}
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &o, &e
	_ = cmd.Run() // its code is looked at
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

var member = syscall.Credential{Uid: 4000, Gid: 4001, Groups: []uint32{7, 4242, 9}}

// TestAsk: the kernel says who asks, by primary and supplementary groups; the
// caller's streams and exit code are the command's.
func TestAsk(t *testing.T) {
	y := newYard(t, control.DefaultLimits, func(_ context.Context, _ control.Call, stdio [3]*os.File) int {
		if _, err := io.Copy(stdio[1], stdio[0]); err != nil {
			return 1
		}
		return 7
	})
	many := syscall.Credential{Uid: 4000, Gid: 4001, Groups: []uint32{4242}}
	for g := range uint32(1000) {
		many.Groups = append(many.Groups, 100000+g)
	}
	for name, who := range map[string]syscall.Credential{"a member": member, "by his first group": {Uid: 4000, Gid: 4242}, "one of a thousand groups": many} {
		code, out, said := y.as(who, "typed\n", "vm", "list", "a b", "")
		if code != 7 || out != "typed\n" || said != "known 4000 asks [\"vm\" \"list\" \"a b\" \"\"] with TERM=x\n" {
			t.Errorf("%s: exit %d, %q, %q", name, code, out, said)
		}
	}
	for name, who := range map[string]syscall.Credential{"a stranger": {Uid: 4000, Gid: 4001, Groups: []uint32{7}}, "root, of no group": {Uid: 0, Gid: 0}} {
		code, out, said := y.as(who, "", "vm", "list")
		if code != 4 || out != "" || said != "ispctl: unknown\n" {
			t.Errorf("%s: exit %d, %q, %q", name, code, out, said)
		}
	}
	if code, _, said := y.as(member, "", strings.Repeat("x", 1<<16)); code != 99 || !strings.Contains(said, "are the most") {
		t.Errorf("too long a line: exit %d, %s", code, said)
	}
	if code, _, _ := y.as(member, "", "vm"); code != 7 {
		t.Errorf("after all that: exit %d", code)
	}
}

// TestLeave: who goes away ends his command, and no more than his share is done at
// once.
func TestLeave(t *testing.T) {
	limits := control.DefaultLimits
	limits.OfOne = 1
	busy := make(chan struct{}, 1)
	y := newYard(t, limits, func(ctx context.Context, _ control.Call, _ [3]*os.File) int {
		select {
		case busy <- struct{}{}:
			<-ctx.Done()
			return 3
		default:
			return 0
		}
	})
	done := make(chan int, 1)
	go func() {
		code, _, _ := y.as(member, "", "leave")
		done <- code
	}()
	<-busy
	busy <- struct{}{} // whoever comes next does not stay
	select {
	case code := <-done:
		if code != 3 {
			t.Errorf("exit %d", code)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	if code, _, _ := y.as(member, "", "vm"); code != 0 {
		t.Errorf("the next: exit %d", code)
	}
	y.ends()
	for range 100 {
		if code, _, said := y.as(member, "", "vm"); code == 99 && strings.Contains(said, "nobody answers") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("somebody answers after the end")
}

// TestHostileCalls: what is no call is no command.
func TestHostileCalls(t *testing.T) {
	ran := 0
	limits := control.DefaultLimits
	limits.Grace = 300 * time.Millisecond
	y := newYard(t, limits, func(context.Context, control.Call, [3]*os.File) int { ran++; return 0 })
	check(t, unix.Setgroups([]int{4242}))
	t.Cleanup(func() { check(t, unix.Setgroups(nil)) })
	good, err := json.Marshal(control.Call{Args: []string{"x"}})
	check(t, err)
	length := []byte{0, 0, 0, byte(len(good))}
	three := unix.UnixRights(0, 1, 2)
	for name, tt := range map[string]struct {
		head, rights, text []byte
	}{
		"nothing":          {nil, nil, nil},
		"no files":         {length, nil, good},
		"two files":        {length, unix.UnixRights(0, 1), good},
		"many files":       {length, unix.UnixRights(0, 1, 2, 0, 1, 2, 0, 1, 2), good},
		"no JSON":          {[]byte{0, 0, 0, 3}, three, []byte("{[x")},
		"a length of lies": {[]byte{0xff, 0xff, 0xff, 0xff}, three, good},
		"half":             {length, three, good[:3]},
		"half a length":    {length[:2], three, nil},
	} {
		conn, err := unixsock.Dial(y.socket)
		check(t, err)
		if tt.head != nil {
			_, _, err = conn.WriteMsgUnix(tt.head, tt.rights, nil)
			check(t, err)
		}
		if _, err := conn.Write(tt.text); err != nil && !errors.Is(err, unix.EPIPE) {
			t.Errorf("%s: %v", name, err)
		}
		check(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
		if b, err := io.ReadAll(conn); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: answered %q, %v", name, b, err)
		}
		check(t, conn.Close())
	}
	if ran > 0 {
		t.Errorf("%d commands were run", ran)
	}
}
