package dhcp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/converge"
	"ispctl/internal/testkit"
	"ispctl/net/dhcp"
)

// convergeEnv makes the test binary an ispctl that knows no other layer: it
// walks the models, given by number, for the root of its first argument.
const convergeEnv = "ISPCTL_TEST_DHCP"

func TestMain(m *testing.M) {
	if os.Getenv(convergeEnv) == "" {
		os.Exit(m.Run())
	}
	if err := walk(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func walk(root string, numbers []string) error {
	paths := ispctl.Paths{Root: root}
	k, err := dhcp.Open(inst, paths)
	if err != nil {
		return err
	}
	defer k.Close()
	for _, number := range numbers {
		i, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		want, err := dhcp.Desired(models(paths)[i])
		if err != nil {
			return err
		}
		have, err := k.Observe(context.Background())
		if err != nil {
			return err
		}
		if err := k.Apply(context.Background(), dhcp.Diff(want, have)); err != nil {
			return err
		}
	}
	return nil
}

// process is another ispctl that walks the models.
func (w world) process(numbers ...int) *exec.Cmd {
	w.t.Helper()
	cmd := exec.Command(os.Args[0], w.paths.Root)
	for _, n := range numbers {
		cmd.Args = append(cmd.Args, strconv.Itoa(n))
	}
	cmd.Env = append(os.Environ(), convergeEnv+"=1")
	return cmd
}

// TestOutlivesItsStarter with nothing of it but the network namespace.
func TestOutlivesItsStarter(t *testing.T) {
	w := newWorld(t)
	w.links(w.model(guests))
	if out, err := w.process(guests).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pid := w.pid("dmz")
	var session int
	if _, err := fmt.Sscan(testkit.Sh(t, "ps", "-o", "sid=", "-p", text(pid)), &session); err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsid(0)
	if err != nil || session == own {
		t.Errorf("it is in our session %d: %v", own, err)
	}
	fds := testkit.Sh(t, "ls", "-l", "/proc/"+text(pid)+"/fd")
	for _, line := range strings.Split(fds, "\n") {
		if _, to, found := strings.Cut(line, " -> "); found && to != "/dev/null" && to != "anon_inode:inotify" && !strings.HasPrefix(to, "socket:") && !strings.HasPrefix(to, "pipe:") {
			t.Errorf("it holds %s", to)
		}
	}
	status := testkit.Sh(t, "cat", "/proc/"+text(pid)+"/status")
	if strings.Contains(status, "\nUid:\t0") {
		t.Error("it runs as root")
	}
	if changes := w.pending(w.model(guests)); len(changes) > 0 {
		t.Errorf("another ispctl would change: %v", changes)
	}
}

// TestMended breaks what a pass made, as an operator, a crash or an upgrade
// might, and lets the next pass mend it.
func TestMended(t *testing.T) {
	in := func(w world, name string) string { return filepath.Join(dhcp.Dir(w.paths), "dmz", name) }
	for _, tt := range []struct {
		name string
		harm func(*testing.T, world)
		want string
	}{
		{"killed", func(t *testing.T, w world) { testkit.Sh(t, "kill", "-KILL", text(w.pid("dmz"))) }, "start dmz"},
		{"ended", func(t *testing.T, w world) { testkit.Sh(t, "kill", text(w.pid("dmz"))) }, "start dmz"},
		{"killed, and its files gone", func(t *testing.T, w world) {
			testkit.Sh(t, "kill", "-KILL", text(w.pid("dmz")))
			testkit.Sh(t, "rm", "-r", in(w, ""))
		}, "start dmz"},
		{"its files gone", func(t *testing.T, w world) { testkit.Sh(t, "rm", "-r", in(w, "")) }, "restart dmz"},
		{"another configuration", func(t *testing.T, w world) {
			testkit.Sh(t, "sh", "-c", "for f in "+in(w, "*.conf")+"; do echo server=192.0.2.1 >>$f; done")
		}, "restart dmz"},
		{"another host", func(t *testing.T, w world) {
			testkit.Sh(t, "sh", "-c", "echo 192.0.2.1 evil >>"+in(w, "hosts"))
		}, "restart dmz"},
		{"a second one by hand", func(t *testing.T, w world) {
			// Without the address, on which only one can listen.
			testkit.Sh(t, "ip", "address", "flush", "dev", "isp-dmz")
			line := testkit.Sh(t, "cat", "/proc/"+text(w.pid("dmz"))+"/cmdline")
			testkit.Sh(t, strings.Split(strings.TrimSuffix(line, "\x00"), "\x00")...)
			if n := len(w.pids("dmz")); n != 2 {
				t.Fatalf("%d processes", n)
			}
		}, "restart dmz"},
		{"its bridge made anew", func(t *testing.T, w world) {
			testkit.Sh(t, "ip", "link", "delete", "isp-dmz")
			w.links(four(w.model(guests)))
		}, "restart dmz"}, // with IPv6 it sees that by itself, see TestNextAtTheAddress
		{"its bridge gone", func(t *testing.T, _ world) { testkit.Sh(t, "ip", "link", "delete", "isp-dmz") }, "restart dmz"},
		{"ispctl killed while it told of hosts", func(t *testing.T, w world) {
			record, err := os.ReadFile(in(w, "ispctl.json"))
			if err != nil {
				t.Fatal(err)
			}
			half := bytes.Replace(record, []byte(`"pid":`+text(w.pid("dmz"))), []byte(`"pid":0`), 1)
			if bytes.Equal(half, record) {
				t.Fatalf("the record is %s", record)
			}
			if err := os.WriteFile(in(w, "ispctl.json"), half, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "restart dmz"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			m := w.model(guests)
			if tt.name == "its bridge made anew" {
				m = four(m)
			}
			w.converge(m)
			mail := w.pid("mail")
			tt.harm(t, w)
			for until := time.Now().Add(time.Second); len(w.pids("dmz")) > 0 && tt.want == "start dmz" && time.Now().Before(until); {
				time.Sleep(time.Millisecond)
			}
			// The survey comes before any layer acts.
			changes := w.pending(m)
			if got := acts(changes); got != tt.want {
				t.Errorf("changes: %s, want %s", got, tt.want)
			}
			w.links(m)
			for range 2 {
				if err := w.Apply(context.Background(), changes); err != nil {
					t.Fatal(err)
				}
			}
			if rest := w.pending(m); len(rest) > 0 {
				t.Errorf("left: %v", rest)
			}
			w.pid("dmz")
			if w.pid("mail") != mail {
				t.Error("the server of another zone was started over")
			}
		})
	}
}

// TestUpgraded: who runs an old program is started over.
func TestUpgraded(t *testing.T) {
	w := newWorld(t)
	program, err := exec.LookPath("dnsmasq")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	install := func() { testkit.Sh(t, "install", program, filepath.Join(bin, "dnsmasq")) }
	install()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	w.converge(w.model(guests))
	install() // which removes the old one first
	if got := acts(w.converge(w.model(guests))); got != "restart dmz, restart mail" {
		t.Errorf("changes: %s", got)
	}
}

// TestTwoAtWork: two ispctl that know nothing of each other never run two
// servers for a zone.
func TestTwoAtWork(t *testing.T) {
	w := newWorld(t)
	w.links(w.model(guests))
	var walks []int
	for range 10 {
		walks = append(walks, guests, noGuests, zonesOnly, empty)
	}
	walks = append(walks, guests)
	var all []*exec.Cmd
	for range 2 {
		cmd := w.process(walks...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, cmd.Stderr)
		}
	}
	w.converge(w.model(guests))
	w.pid("dmz")
	w.pid("mail")
}

// TestKilled kills ispctl at random moments of passes between models. The next
// pass makes it whole, with one server for each zone.
func TestKilled(t *testing.T) {
	w := newWorld(t)
	w.links(w.model(guests))
	walk := []int{guests, moreGuests, zonesOnly, noGuests, empty}
	started := time.Now()
	if out, err := w.process(walk...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	span := time.Since(started)
	const seed, trials = 7, 24
	random := rand.New(rand.NewPCG(seed, seed))
	var half int
	for i := range trials {
		cmd := w.process(walk...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		after := time.Duration(random.Int64N(int64(span)))
		time.Sleep(after)
		if err := cmd.Process.Signal(unix.SIGKILL); err != nil && !strings.Contains(err.Error(), "finished") {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed, or done just before
		model := w.model([]int{guests, moreGuests, noGuests}[i%3])
		if strings.Contains(acts(w.pending(model)), "restart") {
			half++
		}
		w.converge(model)
		w.pid("dmz")
		w.pid("mail")
		entries, err := os.ReadDir(filepath.Join(dhcp.Dir(w.paths), "dmz"))
		if err != nil || len(entries) != 4 {
			t.Errorf("killed after %v: files are left: %v, %v", after, entries, err)
		}
		if i%2 == 0 {
			w.converge(w.model(empty))
			w.links(model)
		}
		if t.Failed() {
			t.Fatalf("trial %d, killed after %v", i, after)
		}
	}
	t.Logf("%d of %d kills left a server that had to be started over; a whole walk takes %v", half, trials, span)
	if half == 0 {
		t.Error("no kill fell into a change: the test proves nothing")
	}
}

// TestHalfWritten: a configuration that an ispctl was killed over does not stay,
// even if nobody ever wants that one again.
func TestHalfWritten(t *testing.T) {
	w := newWorld(t)
	m := w.model(guests)
	w.links(m)
	w.converge(m)
	half := filepath.Join(dhcp.Dir(w.paths), "dmz", ".0123456789abcdef.conf.tmp")
	if err := os.WriteFile(half, []byte("port="), 0o600); err != nil {
		t.Fatal(err)
	}
	w.converge(w.model(noGuests))
	w.converge(w.model(zonesOnly))
	w.converge(m)
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}

// TestKilledBeforeItRuns: an ispctl is killed when what it started is not yet
// known to be a dnsmasq. The next one waits until it is.
func TestKilledBeforeItRuns(t *testing.T) {
	w := newWorld(t)
	m := w.model(zonesOnly) // DHCP alone, for which two servers could listen
	w.links(m)
	program, err := exec.LookPath("dnsmasq")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	mark := filepath.Join(bin, "begun")
	slow := "#!/bin/sh\n: >" + mark + "\nsleep 1\nexec " + program + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "dnsmasq"), []byte(slow), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := w.process(zonesOnly)
	cmd.Env = append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(mark); err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatal("nothing was started")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if n := len(w.pids("")); n != 0 {
		t.Fatalf("%d servers before they were to be seen", n)
	}
	w.converge(m)
	first := w.pid("dmz")
	time.Sleep(1200 * time.Millisecond) // longer than the slow one takes
	if again := w.pid("dmz"); again != first {
		t.Errorf("process %d, then %d", first, again)
	}
	if changes := w.pending(m); len(changes) > 0 {
		t.Errorf("left: %v", changes)
	}
}

// ownName is what the kernel calls this process: wherever the tests run, their
// binary may have another name.
func ownName(t *testing.T) string {
	t.Helper()
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(name))
}

// TestCannot: what keeps a zone from being served is said with its cure, and
// keeps no other zone from it.
func TestCannot(t *testing.T) {
	for _, tt := range []struct {
		name string
		harm func(*testing.T, world)
		kind ispctl.ErrorKind
		want []string
	}{
		{"not installed", func(t *testing.T, _ world) {
			none := t.TempDir()
			t.Setenv("PATH", none)
			hide(t, "/usr/sbin/dnsmasq")
		}, ispctl.Failed, []string{"is not installed", "apt install dnsmasq-base"}},
		{"a foreign dnsmasq on all addresses", func(t *testing.T, _ world) {
			foreign(t, "--port=53", "--no-resolv")
		}, ispctl.Conflict, []string{"port 53 of 10.10.0.1: is taken by dnsmasq (process ", "keep it off"}},
		{"a foreign DHCP server", func(t *testing.T, _ world) {
			foreign(t, "--port=0", "--dhcp-range=10.10.0.100,10.10.0.200")
		}, ispctl.Conflict, []string{"port 67 of 0.0.0.0: is taken by dnsmasq (process "}},
		{"a resolver by TCP alone", func(t *testing.T, _ world) {
			l, err := net.Listen("tcp", ":53")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
		}, ispctl.Conflict, []string{"port 53 of 10.10.0.1: is taken by " + ownName(t) + " (process " + text(os.Getpid())}},
		{"a directory in the way", func(t *testing.T, w world) {
			if err := os.MkdirAll(filepath.Join(dhcp.Dir(w.paths), "dmz", "mine"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, ispctl.Conflict, []string{"dnsmasq/dmz: is in the way", "move it away"}},
		{"a root that is closed to others", func(t *testing.T, w world) {
			if err := os.Chmod(w.paths.Root, 0o700); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(w.paths.Root, 0o755) })
		}, ispctl.Permission, []string{"user dnsmasq cannot pass", "chmod o+x "}},
		{"no bridge", func(t *testing.T, _ world) { testkit.Sh(t, "ip", "link", "delete", "isp-dmz") }, ispctl.Failed, []string{"listens on [0.0.0.0:67 [::]:547], not on [10.10.0.1:53 [2001:db8:10::1]:53 ", "0.0.0.0%isp-dmz:67 [::]%isp-dmz:547]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			m := w.model(guests)
			w.links(m)
			tt.harm(t, w)
			changes := w.pending(m)
			err := w.Apply(context.Background(), changes)
			faults := converge.Faults(err)
			if len(faults) == 0 || faults[0].Object != "zone dmz" || ispctl.KindOf(err) != tt.kind {
				t.Fatalf("kind %d: %v", ispctl.KindOf(err), err)
			}
			for _, want := range tt.want {
				if !strings.Contains(faults[0].Err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, faults[0].Err)
				}
			}
			t.Log(faults[0])
		})
	}
}

// foreign runs a dnsmasq of somebody else until the end of the test.
func foreign(t *testing.T, options ...string) {
	t.Helper()
	cmd := exec.Command("dnsmasq", append(options, "--conf-file=", "--keep-in-foreground", "--pid-file=", "--leasefile-ro", "--log-facility=/dev/null")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if strings.Contains(testkit.Sh(t, "ss", "-Hlnpu"), "pid="+text(cmd.Process.Pid)+",") {
			return
		}
	}
	t.Fatal("it does not listen")
}

// hide covers a file, for this thread and what it starts, until the end of the
// test.
func hide(t *testing.T, path string) {
	t.Helper()
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("/dev/null", path, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
}
