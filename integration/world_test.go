package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl/internal/netns"
	"ispctl/internal/testkit"
)

// program is the ispctl under test, built once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ispctl-integration")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "ispctl")
	build := exec.Command("go", "build", "-o", program, "ispctl/cmd/ispctl")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	code := 1
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build ispctl:", err)
	} else {
		code = m.Run()
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// world is a provider and its Internet, each a namespace, with a root of its
// own. Whatever a test leaves in it is ended and removed after it.
type world struct {
	t                  testing.TB
	root               string
	provider, internet string
	key                string
}

var worlds atomic.Int64

// Addresses of the world; all of them are for documentation (RFC 5737).
const (
	gateway  = "203.0.113.1"
	host     = "203.0.113.2"
	external = "203.0.113.10"
)

// newWorld makes the namespaces and runs init.
func newWorld(t testing.TB, hypervisor string) *world {
	t.Helper()
	testkit.Need(t, testkit.Root)
	n := worlds.Add(1)
	dir, err := os.MkdirTemp("", "isp")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { // guests run as users of their own
		t.Fatal(err)
	}
	// Longer than a socket's path may be: the place is the operator's choice.
	root := filepath.Join(dir, "a-root-whose-path-has-more-bytes-than-that-of-a-unix-socket")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, root: root, provider: fmt.Sprintf("ispt-%d-%d", os.Getpid(), n), internet: fmt.Sprintf("ispt-%d-%d-net", os.Getpid(), n),
		key: filepath.Join(root, "key"),
	}
	t.Cleanup(w.remove)
	for _, ns := range []string{w.provider, w.internet} {
		if err := netns.Create(ns); err != nil {
			t.Fatal(err)
		}
	}
	w.in(w.internet, "ip", "link", "add", "inet0", "type", "veth", "peer", "name", "eth0", "netns", w.provider)
	w.in(w.internet, "ip", "address", "add", gateway+"/24", "dev", "inet0")
	w.in(w.internet, "ip", "link", "set", "inet0", "up")
	w.in(w.internet, "ip", "route", "add", "203.0.113.8/29", "via", host)
	testkit.Sh(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", w.key)
	w.ok("init", "--netns", w.provider, "--hypervisor", hypervisor, "--uplink", "eth0", "--address", host+"/24", "--gateway", gateway)
	return w
}

// remove ends guests by pid, then the namespaces and the root.
func (w *world) remove() {
	for _, ns := range []string{w.provider, w.internet} {
		for _, pid := range w.pids(ns) {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				w.t.Errorf("end process %d: %v", pid, err)
			}
		}
		if err := netns.Delete(ns); err != nil {
			w.t.Error(err)
		}
	}
	w.removeGroups()
	if err := os.RemoveAll(filepath.Dir(w.root)); err != nil {
		w.t.Error(err)
	}
}

// pids are the processes in a namespace.
func (w *world) pids(ns string) []int {
	out, err := exec.Command("ip", "netns", "pids", ns).Output()
	if err != nil {
		return nil
	}
	var pids []int
	for field := range strings.FieldsSeq(string(out)) {
		var pid int
		if _, err := fmt.Sscan(field, &pid); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// in runs a program in a namespace and returns what it printed.
func (w *world) in(ns string, argv ...string) string {
	w.t.Helper()
	return testkit.Sh(w.t, append([]string{"ip", "netns", "exec", ns}, argv...)...)
}

// result is what a run of ispctl came to.
type result struct {
	out, err string
	code     int
	cpu      time.Duration // it took, with the programs it waited for
}

func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program, append([]string{"--root", w.root}, args...)...)
	cmd.Env = append(os.Environ(), "ISPCTL_CACHE="+cacheDir())
	return cmd
}

// cacheDir is where built images are kept between runs, outside the checkout.
func cacheDir() string {
	if dir := os.Getenv("ISPCTL_CACHE"); dir != "" {
		return dir
	}
	return "/var/cache/ispctl/images"
}

// run runs ispctl and returns what came of it.
func (w *world) run(args ...string) result {
	w.t.Helper()
	return resultOf(w.t, w.command(args...))
}

// resultOf runs a program to its end.
func resultOf(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	p := cmd.ProcessState
	return result{out.String(), stderr.String(), p.ExitCode(), p.UserTime() + p.SystemTime()}
}

// ok runs ispctl, which must succeed, and returns its standard output.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	r := w.run(args...)
	if r.code != 0 {
		w.t.Fatalf("ispctl %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// fails runs ispctl, which must fail with that code and say that.
func (w *world) fails(code int, say string, args ...string) {
	w.t.Helper()
	r := w.run(args...)
	if r.code != code || !strings.Contains(r.err, say) {
		w.t.Errorf("ispctl %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), r.code, code, say, r.out, r.err)
	}
}

// show decodes what `-o json` printed.
func (w *world) show(into any, args ...string) {
	w.t.Helper()
	out := w.ok(append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		w.t.Fatalf("ispctl %s -o json: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// write puts a file under the root and returns its path.
func (w *world) write(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.root, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// publicKey is the key that guests are made with.
func (w *world) publicKey() string {
	w.t.Helper()
	data, err := os.ReadFile(w.key + ".pub")
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// ssh runs a command in a guest, logged in from a namespace.
func (w *world) ssh(ns, address, port, command string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", "netns", "exec", ns, "ssh", "-i", w.key, "-p", port,
		"-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "root@"+address, command).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// dials reports whether a TCP connection from a namespace succeeds.
func dials(ns, address string) bool {
	return netns.Do(ns, func() error {
		conn, err := net.DialTimeout("tcp", address, 3*time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	}) == nil
}
