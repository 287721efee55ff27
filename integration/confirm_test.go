package integration

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/operations"
	"ispctl/state"
)

// confirmTrials is how often each way to die is tried, in turn, until so many
// changes were left unconfirmed. 100 take five minutes.
var confirmTrials = flag.Int("confirm.trials", 5, "unconfirmed changes to make")

// late is how much later than its deadline a change may be taken back.
const late = 2 * time.Second

// confirmed is a world whose host answers 22/tcp, and changes that close it.
type confirmed struct {
	*world
	store *state.Store
	inst  ispctl.Installation
}

func newConfirmed(t testing.TB) *confirmed {
	t.Helper()
	w := newWorld(t, "test:///default")
	c := &confirmed{world: w, inst: ispctl.Installation{Prefix: "isp", NetNS: w.provider, Hypervisor: "test:///default"}}
	store, err := state.Open(t.Context(), c.inst, ispctl.Paths{Root: w.root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	c.store = store
	if err := netns.Do(w.provider, func() error {
		l, err := net.Listen("tcp4", "0.0.0.0:22")
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_ = conn.Close()
			}
		}()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

// closing is the command that closes 22/tcp and awaits its confirmation.
func (c *confirmed) closing(wait time.Duration) []string {
	return []string{
		"init", "--netns", c.provider, "--hypervisor", "test:///default", "--uplink", "eth0", "--address", host + "/24", "--gateway", gateway,
		"--host-service", "25/tcp", "--confirm", wait.String(),
	}
}

// open tries 22/tcp with a real packet.
func (c *confirmed) open() bool {
	return netns.Do(c.internet, func() error {
		conn, err := net.DialTimeout("tcp4", host+":22", 50*time.Millisecond)
		if err != nil {
			return err
		}
		return conn.Close()
	}) == nil
}

// pending is what awaits its confirmation.
func (c *confirmed) pending() operations.PendingView {
	c.t.Helper()
	var v operations.PendingView
	c.show(&v, "confirm", "--status")
	return v
}

// committed waits until the change is in the database.
func (c *confirmed) committed() {
	c.t.Helper()
	c.until("the change is committed", func() bool { return !c.wanted() })
}

// wanted reports whether intent says that 22/tcp is open.
func (c *confirmed) wanted() bool {
	c.t.Helper()
	m, err := c.store.Model(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return slices.Contains(m.HostServices, ispctl.Service{Port: 22, Proto: ispctl.TCP})
}

func (c *confirmed) until(what string, is func() bool) {
	c.t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("not so after 20 s: %s\n%s", what, c.log())
		}
	}
}

func (c *confirmed) log() string {
	text, err := os.ReadFile(filepath.Join(ispctl.Paths{Root: c.root}.Confirm(), "guard.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// guards are the numbers of this world's guards.
func (c *confirmed) guards() []int {
	c.t.Helper()
	return c.processes(func(dir string) bool {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		return err == nil && strings.Contains(string(line), "--root="+c.root+"\x00confirm-guard\x00")
	})
}

// session are the processes of a session.
func (c *confirmed) session(id int) []int {
	return c.processes(func(dir string) bool {
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			return false
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		return len(fields) > 3 && fields[3] == strconv.Itoa(id)
	})
}

func (c *confirmed) processes(is func(dir string) bool) []int {
	c.t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		c.t.Fatal(err)
	}
	var pids []int
	for _, dir := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && is(dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (c *confirmed) kill(pids ...int) {
	c.t.Helper()
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			c.t.Fatal(err)
		}
	}
}

// killGuards ends all guards, and those that took their place meanwhile.
func (c *confirmed) killGuards() {
	c.t.Helper()
	c.until("all guards are dead", func() bool {
		c.kill(c.guards()...)
		return len(c.guards()) == 0
	})
}

// start runs a command in the background.
func (c *confirmed) start(session bool, argv ...string) *exec.Cmd {
	c.t.Helper()
	cmd := c.command(argv...)
	if session {
		cmd = exec.Command("sh", "-c", `"$@"; sleep 60`, "sh", program)
		cmd.Args = append(append(cmd.Args, "--root", c.root), argv...)
	}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: session}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	return cmd
}

// reboot runs a command as it would run after a boot: no process of ours is
// left, no table, no bridge, and the kernel gives this boot another name.
func (c *confirmed) reboot(argv ...string) {
	c.t.Helper()
	c.killGuards()
	c.in(c.provider, "nft", "flush", "ruleset")
	id := c.write("boot_id", "11111111-2222-4333-8444-555555555555\n")
	script := `mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"`
	out, err := exec.Command("unshare", append([]string{"-m", "sh", "-c", script, id, program, "--root", c.root}, argv...)...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
}

const (
	nothing = "nothing happens"
	early   = "the command is killed right after its commit"
	booted  = "the host is booted"
)

// ways are what may happen to an unconfirmed change. Each returns when the
// change is made and the worst is over.
var ways = []struct {
	name string
	die  func(c *confirmed, wait time.Duration)
}{
	{nothing, func(c *confirmed, wait time.Duration) { c.ok(c.closing(wait)...) }},
	{early, func(c *confirmed, wait time.Duration) {
		cmd := c.start(false, c.closing(wait)...)
		c.committed()
		c.kill(cmd.Process.Pid)
		_ = cmd.Wait() // killed
	}},
	{"the command is killed when the port is closed", func(c *confirmed, wait time.Duration) {
		cmd := c.start(false, c.closing(wait)...)
		c.committed()
		c.until("22/tcp is closed", func() bool { return !c.open() })
		c.kill(cmd.Process.Pid)
		_ = cmd.Wait() // killed, or done just before
	}},
	{"the session is killed", func(c *confirmed, wait time.Duration) {
		cmd := c.start(true, c.closing(wait)...)
		c.committed()
		c.until("22/tcp is closed", func() bool { return !c.open() })
		c.kill(c.session(cmd.Process.Pid)...)
		_ = cmd.Wait() // killed
	}},
	{"the guard is killed", func(c *confirmed, wait time.Duration) {
		c.ok(c.closing(wait)...)
		c.until("the guard and its second are there", func() bool { return len(c.guards()) > 1 })
		c.kill(slices.Min(c.guards()))
	}},
	{"the second guard is killed, then the first", func(c *confirmed, wait time.Duration) {
		c.ok(c.closing(wait)...)
		c.until("the guard and its second are there", func() bool { return len(c.guards()) > 1 })
		before := c.guards()
		c.kill(slices.Max(before))
		c.until("there is another second", func() bool { now := c.guards(); return len(now) > 1 && !slices.Equal(now, before) })
		c.kill(slices.Min(before))
	}},
	{booted, func(c *confirmed, wait time.Duration) {
		c.ok(c.closing(wait)...)
		c.reboot("confirm", "--boot")
	}},
}

// TestUnconfirmedIsTakenBack closes the port that the operator came by, in vain,
// whatever is killed: the port answers again in time. It is seen by packets.
func TestUnconfirmedIsTakenBack(t *testing.T) {
	c := newConfirmed(t)
	const wait = 2 * time.Second
	var lateness []time.Duration
	for trial := range *confirmTrials {
		way := ways[trial%len(ways)]
		if !c.open() {
			t.Fatalf("trial %d: 22/tcp does not answer at the start", trial)
		}
		before := time.Now()
		way.die(c, wait)
		switch way.name {
		case booted:
		case early: // before it came to the wall, as often as not
			if c.wanted() {
				t.Fatalf("trial %d, %s: it was over before it began\n%s", trial, way.name, c.log())
			}
		default:
			if c.open() {
				t.Fatalf("trial %d, %s: 22/tcp is open: the trial proves nothing\n%s", trial, way.name, c.log())
			}
		}
		c.until("22/tcp is to answer, and does", func() bool { return c.wanted() && c.open() })
		after := time.Since(before) - wait
		if way.name != booted {
			lateness = append(lateness, after)
		}
		if after > late {
			t.Errorf("trial %d, %s: 22/tcp was back %v after its time\n%s", trial, way.name, after, c.log())
		}
		c.until("nothing is pending", func() bool { return !c.pending().Pending })
		if out := c.ok("converge", "--dry-run"); strings.TrimSpace(out) != "no changes" {
			t.Errorf("trial %d, %s: left to do:\n%s", trial, way.name, out)
		}
		c.until("no guard is left", func() bool { return len(c.guards()) == 0 })
	}
	slices.Sort(lateness)
	t.Logf("%d trials; of those not booted, back after the time by %v at the median and %v at most (counted from the start of the command)",
		*confirmTrials, lateness[len(lateness)/2].Round(time.Millisecond), lateness[len(lateness)-1].Round(time.Millisecond))
}

// TestConfirmKeeps, and says what it did, and guards nothing any more.
func TestConfirmKeeps(t *testing.T) {
	c := newConfirmed(t)
	c.fails(3, "nothing awaits its confirmation", "confirm")
	r := c.run(c.closing(3 * time.Second)...)
	if r.code != 0 || !strings.Contains(r.err, "taken back at ") || !strings.Contains(r.err, "unless you keep it: ispctl confirm") {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	if v := c.pending(); !v.Pending || !v.Guarded || v.Command != "init" || v.Left <= 0 || v.Left > 3 {
		t.Errorf("%+v", v)
	}
	c.fails(5, "awaits its confirmation until", "zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	c.fails(5, "awaits its confirmation until", "zone", "create", "dmz", "--prefix", "10.10.0.0/24", "--confirm", "5s")
	c.ok("plan", "create", "tiny", "--memory", "128MiB", "--disk", "256MiB")
	if out := c.ok("confirm"); out != "kept: init of uplink eth0\n" {
		t.Errorf("%q", out)
	}
	c.until("no guard is left", func() bool { return len(c.guards()) == 0 })
	time.Sleep(3 * time.Second)
	if c.open() {
		t.Error("what was kept was taken back")
	}
	c.fails(3, "the last change that did, of uplink eth0, was kept at", "confirm")
	c.fails(2, "exclude each other", "confirm", "--revert", "--status")
	c.fails(2, "is not 1s to 24h", "zone", "create", "dmz", "--prefix", "10.10.0.0/24", "--confirm", "10ms")
}

func TestConfirmRevert(t *testing.T) {
	c := newConfirmed(t)
	c.ok(c.closing(time.Minute)...)
	if c.open() {
		t.Fatal("22/tcp is not closed")
	}
	if out := c.ok("confirm", "--revert"); out != "taken back: init of uplink eth0\n" {
		t.Errorf("%q", out)
	}
	if !c.open() {
		t.Error("22/tcp is not open again")
	}
	c.fails(3, "was taken back at", "confirm")
	c.until("no guard is left", func() bool { return len(c.guards()) == 0 })
}

// TestNextCommandTakesBack has both guards killed at once: the next command of
// any kind does their work, or has others do it.
func TestNextCommandTakesBack(t *testing.T) {
	c := newConfirmed(t)
	c.ok(c.closing(3 * time.Second)...)
	c.killGuards()
	if r := c.run("status"); r.code != 0 || !strings.Contains(r.err, "its guard was gone, another one was started") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	c.until("a guard is there", func() bool { return c.pending().Guarded })
	c.killGuards()
	time.Sleep(3 * time.Second)
	if c.open() {
		t.Fatal("22/tcp is open, and nobody opened it")
	}
	if r := c.run("status"); r.code != 0 || !strings.Contains(r.err, "taken back: init of uplink eth0 by root: not confirmed in time") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if !c.open() {
		t.Error("22/tcp is not open again")
	}
}

// TestStuckCommand stops the command that makes the change, while it holds the
// host lock: the guard goes over it.
func TestStuckCommand(t *testing.T) {
	c := newConfirmed(t)
	const wait = 2 * time.Second
	before := time.Now()
	cmd := c.start(false, c.closing(wait)...)
	c.committed()
	if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := c.run("--lock-timeout", "10ms", "plan", "create", "tiny", "--memory", "128MiB", "--disk", "256MiB").code == 5
	_ = cmd.Wait() // the guard's to end, or stopped too late
	c.until("nothing is pending", func() bool { return !c.pending().Pending })
	if after := time.Since(before) - wait; after > late {
		t.Errorf("taken back %v after its time\n%s", after, c.log())
	}
	if !c.open() {
		t.Error("22/tcp does not answer")
	}
	if !stopped {
		t.Log("the command was done before it was stopped: the guard had nothing in its way")
	}
}

// TestConfirmWhileReverting confirms at the very moment: one of the two wins,
// and both say the same.
func TestConfirmWhileReverting(t *testing.T) {
	c := newConfirmed(t)
	kept := 0
	const wait, trials = time.Second, 6
	for i := range trials {
		c.ok(c.closing(wait)...)
		left := time.Duration(c.pending().Left * float64(time.Second))
		time.Sleep(left - 300*time.Millisecond + time.Duration(i)*60*time.Millisecond)
		r := c.run("confirm")
		c.until("nothing is pending", func() bool { return !c.pending().Pending })
		c.until("no guard is left", func() bool { return len(c.guards()) == 0 })
		if open := c.open(); open != (r.code != 0) {
			t.Errorf("confirm: exit %d %s%s, and 22/tcp is open: %t", r.code, r.out, r.err, open)
		}
		if r.code == 0 {
			kept++
			c.ok("init", "--netns", c.provider, "--hypervisor", "test:///default", "--uplink", "eth0", "--address", host+"/24", "--gateway", gateway)
		} else if r.code != 3 && r.code != 5 {
			t.Errorf("exit %d: %s", r.code, r.err)
		}
	}
	t.Logf("%d of %d were kept", kept, trials)
}

// TestOwnConnection refuses to cut the caller off, who has called sudo, which
// drops SSH_CONNECTION.
func TestOwnConnection(t *testing.T) {
	c := newConfirmed(t)
	for _, argv := range [][]string{{program}, {"env", "-u", "SSH_CONNECTION", program}} {
		cmd := exec.Command("sh", append([]string{"-c", `"$@"; exit $?`, "sh"}, append(argv, append([]string{"--root", c.root}, c.closing(time.Minute)...)...)...)...)
		cmd.Env = append(os.Environ(), fmt.Sprintf("SSH_CONNECTION=%s 40000 %s 22", gateway, host))
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 5 || !strings.Contains(string(out), "your own connection 203.0.113.1:40000 -> 203.0.113.2:22: would be cut off: 22/tcp would not be among the host services") {
			t.Errorf("exit %d: %s", code, out)
		}
	}
	if !c.open() || c.pending().Pending {
		t.Error("it was done all the same")
	}
	// What leaves the connection alone is made; it is tried with a packet first.
	harmless := c.command("zone", "create", "lab", "--prefix", "10.30.0.0/24")
	harmless.Env = append(harmless.Env, fmt.Sprintf("SSH_CONNECTION=%s 40000 %s 22", gateway, host))
	if out, err := harmless.CombinedOutput(); err != nil || strings.Contains(string(out), "could not be tried") {
		t.Errorf("%v: %s", err, out)
	}
	cmd := c.command(append(c.closing(time.Minute), "--force")...)
	cmd.Env = append(cmd.Env, fmt.Sprintf("SSH_CONNECTION=%s 40000 %s 22", gateway, host))
	if out, err := cmd.CombinedOutput(); err != nil || c.open() {
		t.Errorf("%v: %s", err, out)
	}
	c.ok("confirm", "--revert")
}

// TestPolicyComesBack closes, by a command that is killed, what a policy lets
// through between two guests.
func TestPolicyComesBack(t *testing.T) {
	w := newWorld(t, "test:///default")
	w.ok("image", "build", "micro")
	w.ok("apply", "-f", w.write("walls.yaml", walls))
	var ends []end
	for _, name := range []string{"web1", "mail1"} {
		vm := w.vm(name)
		g := w.wire(t, vm, strings.TrimSuffix(vm.Addresses[0], lastByte(vm.Addresses[0]))+"1")
		ends = append(ends, end{name: name, ns: g.ns, addr: vm.Addresses[0]})
	}
	ends[1].serve(t)
	reaches := func() bool { return ends[0].reaches(t, ends[1], "tcp/25") }
	// The first try finds neighbours out, and may take longer than an answer.
	for tries := 0; !reaches(); tries++ {
		if tries == 20 {
			t.Fatal("the policy lets nothing through")
		}
	}
	w.ok("zone", "policy", "deny", "dmz", "mail", "--service", "tcp/25", "--confirm", "2s")
	if reaches() {
		t.Error("what was denied is reached")
	}
	time.Sleep(2*time.Second + late)
	if !reaches() {
		t.Error("what was denied and not confirmed is not reached")
	}
	w.fails(5, `vm "mail2": would be destroyed, which no revert brings back`, "apply", "--prune", "--confirm", "2s", "-f",
		w.write("none.yaml", strings.Replace(walls, "  - {name: mail2, template: micro, zone: mail, plan: tiny}\n", "", 1)))
	// A document that closes it, and makes a VM: both go.
	w.ok("apply", "-f", w.write("less.yaml", strings.Replace(strings.Replace(walls, "tcp/25, icmp", "icmp", 1),
		"policies:", "  - {name: web3, template: micro, zone: dmz, plan: tiny}\npolicies:", 1)), "--prune", "--confirm", "2s")
	if reaches() {
		t.Error("what the document closed is reached")
	}
	time.Sleep(2*time.Second + late)
	if !reaches() {
		t.Error("what the document closed is still closed")
	}
	w.fails(3, `vm "web3" not found`, "vm", "show", "web3")
}
