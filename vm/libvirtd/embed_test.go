package libvirtd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"libvirt.org/go/libvirt"

	"ispctl"
	"ispctl/converge"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/vm"
	"ispctl/vm/libvirtd"
)

const (
	web1  = "00000000-0000-4000-8000-000000000001"
	mail1 = "00000000-0000-4000-8000-000000000002"
)

func embedded(t testing.TB) (*libvirtd.Hypervisor, ispctl.Paths) {
	t.Helper()
	paths := furnish(t)
	h := libvirtd.Open("embed", paths, inst)
	h.Grace, h.LetGo = time.Second, 300*time.Millisecond
	return h, paths
}

// wanted is what the embedded driver is to do for a model.
func wanted(t testing.TB, m *ispctl.Model) vm.State {
	t.Helper()
	s, err := vm.Desired(vm.HostFacts("embed"))(m)
	must(t, err)
	return s
}

// bring takes a hypervisor to a state.
func bring(t testing.TB, h *libvirtd.Hypervisor, want vm.State) {
	t.Helper()
	have, err := h.Observe(t.Context())
	must(t, err)
	must(t, h.Apply(t.Context(), vm.Diff(want, have)))
}

func TestLawsOnEmbed(t *testing.T) {
	if !enter(t) {
		return
	}
	h, paths := embedded(t)
	if _, err := h.Observe(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := libvirt.NewConnect("qemu:///embed?root=" + embedRoot(t, paths))
	must(t, err)
	foreign := wanted(t, worldModels()[2])[web1]
	foreign.UUID, foreign.Name, foreign.VM = "99999999-9999-4999-8999-999999999999", "lab-foreign", "foreign"
	foreign.NICs, foreign.Disk = nil, paths.Disk("foreign")
	write(t, foreign.Disk, nil)
	testkit.Sh(t, "qemu-img", "create", "-q", "-f", "qcow2", foreign.Disk, "64M")
	must(t, os.Chown(foreign.Disk, int(foreign.UID), int(foreign.UID)))
	text, err := vm.Render(foreign, "lab")
	must(t, err)
	define(t, conn, text)
	dom, err := conn.LookupDomainByName("lab-foreign")
	must(t, err)
	must(t, dom.Create())
	convergetest.Laws(t, convergetest.Suite[vm.State, vm.Change]{
		Models: worldModels()[:4], Desired: vm.Desired(vm.HostFacts("embed")), Diff: vm.Diff, Target: h,
		Foreign: func() string {
			return fmt.Sprint(draw(t, conn, "lab-foreign"), qemus(t)["99999999-9999-4999-8999-999999999999"])
		}, Passes: 14,
	})
}

// TestStopOnEmbed: one that hears is given the time it takes; one that does not
// is ended when its grace is up; and nobody waits longer than the context.
func TestStopOnEmbed(t *testing.T) {
	if !enter(t) {
		return
	}
	h, paths := embedded(t)
	h.Grace = 30 * time.Second
	all := worldModels()
	running := wanted(t, all[2])
	bring(t, h, running)
	booted(t, paths, web1)
	if state, err := h.State(t.Context(), web1); state != "running" || err != nil {
		t.Errorf("state %s, %v", state, err)
	}

	begin := time.Now()
	bring(t, h, stopped(running))
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("two guests that hear took %s to stop", took)
	}
	if log := testkit.Sh(t, "sh", "-c", "grep -h reason= "+paths.Embed()+"/log/qemu/*.log"); strings.Count(log, "reason=shutdown") != 2 {
		t.Errorf("they did not shut down by themselves:\n%s", log)
	}
	if state, err := h.State(t.Context(), web1); state != "stopped" || err != nil {
		t.Errorf("state %s, %v", state, err)
	}

	// Asked before they can hear, they are asked again.
	bring(t, h, running)
	begin = time.Now()
	bring(t, h, stopped(running))
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("two guests that were still booting took %s to stop", took)
	}

	dumb := wanted(t, all[len(all)-1])
	bring(t, h, dumb)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin = time.Now()
	err := h.Apply(ctx, vm.Diff(stopped(dumb), dumb))
	if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
		t.Errorf("after %s: %v", took, err)
	}
	if n := len(qemus(t)); n != 2 {
		t.Errorf("%d guests run after the context ended the wait", n)
	}
	h.Grace = 500 * time.Millisecond
	begin = time.Now()
	bring(t, h, stopped(dumb))
	if took := time.Since(begin); took < h.Grace || len(qemus(t)) != 0 {
		t.Errorf("ended after %s, running: %v", took, qemus(t))
	}
}

// booted waits until a guest has written to its serial console, and so proves
// that the file is there and its kernel ran.
func booted(t testing.TB, paths ispctl.Paths, uuid string) {
	t.Helper()
	for range 100 {
		if log, _ := os.ReadFile(paths.SerialLog(uuid)); strings.Contains(string(log), "up\n") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	log, err := os.ReadFile(paths.SerialLog(uuid))
	t.Fatalf("guest %s did not boot: %q, %v", uuid, log, err)
}

func stopped(s vm.State) vm.State {
	all := vm.State{}
	for uuid, d := range s {
		d.Running = false
		all[uuid] = d
	}
	return all
}

// TestStartFailsOnEmbed: QEMU's own words reach the operator, and one guest
// without a tap stands in nobody's way.
func TestStartFailsOnEmbed(t *testing.T) {
	if !enter(t) {
		return
	}
	h, paths := embedded(t)
	testkit.Sh(t, "ip", "link", "delete", "isp-1-0")
	write(t, paths.ImageKernel(deafDigest), []byte("no kernel"))
	m := deafModel()
	for i := range m.VMs {
		if m.VMs[i].Name == "web1" {
			m.VMs[i].Image = convergetest.Digest
		}
	}
	other := convergetest.Guest(inst, 3, "web3", "dmz", "10.10.0.3")
	m.VMs = append(m.VMs, other)
	err := h.Apply(t.Context(), vm.Diff(wanted(t, m), vm.State{}))
	got := map[string]string{}
	for _, f := range converge.Faults(err) {
		got[f.Object] = f.Error()
	}
	if len(got) != 2 || !strings.Contains(got["vm web1"], "specified dev doesn't exist") || !strings.Contains(got["vm mail1"], "kernel") ||
		strings.Contains(err.Error(), "virError") {
		t.Errorf("want what is wrong with each, have:\n%v", err)
	}
	t.Log(err)
	if running := qemus(t); len(running) != 1 || len(running[other.UUID]) != 1 {
		t.Errorf("want web3 alone, have %v", running)
	}
}

// TestGuestDiesUnseen: a guest that ended while no ispctl was there is not
// taken for running.
func TestGuestDiesUnseen(t *testing.T) {
	if !enter(t) {
		return
	}
	furnish(t)
	worker(t, order{Model: 2}).ok(t)
	var pid int
	_, err := fmt.Sscan(qemus(t)[web1][0], &pid)
	must(t, err)
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	got := worker(t, order{Model: -1}).ok(t)
	if got.Running[web1] || !got.Running[mail1] {
		t.Errorf("want mail1 alone, have %v", got.Running)
	}
	if got := worker(t, order{Model: 2}).ok(t); len(got.Changes) != 1 || got.Changes[0] != "virsh start isp-web1" {
		t.Errorf("want a start of web1, have %v", got.Changes)
	}
}

// TestGuestEndsUnseen: QEMU keeps a guest that has shut down by itself until
// somebody asks (-no-shutdown). Whoever comes next sees that it is stopped.
func TestGuestEndsUnseen(t *testing.T) {
	if !enter(t) {
		return
	}
	paths := furnish(t)
	write(t, paths.ImageKernel(deafDigest), bzImage(weary))
	if got := worker(t, order{Model: len(worldModels()) - 1}).ok(t); !got.Running[web1] || !got.Running[mail1] {
		t.Fatalf("they ended before they were left alone: %+v", got)
	}
	time.Sleep(4 * time.Second)
	t.Logf("before the next look: %v", qemus(t))
	if got := worker(t, order{Model: -1}).ok(t); got.Running[web1] || got.Running[mail1] || len(got.Running) != 2 {
		t.Errorf("want both stopped, have %v", got.Running)
	}
}

// embedRoot is the name that the driver's root goes by: its own, or a short one.
func embedRoot(t testing.TB, paths ispctl.Paths) string {
	t.Helper()
	links, err := filepath.Glob("/run/ispctl-*")
	must(t, err)
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == paths.Embed() {
			return link
		}
	}
	return paths.Embed()
}

// TestTapIsBusyForAWhile: as after the starter was killed, somebody has the tap
// and lets go of it soon.
func TestTapIsBusyForAWhile(t *testing.T) {
	if !enter(t) {
		return
	}
	h, _ := embedded(t)
	want := wanted(t, worldModels()[2])
	bring(t, h, stopped(want)) // so that QEMU's capabilities are known
	tap, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	must(t, err)
	request, err := unix.NewIfreq("isp-1-0")
	must(t, err)
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	must(t, unix.IoctlIfreq(int(tap.Fd()), unix.TUNSETIFF, request))
	time.AfterFunc(250*time.Millisecond, func() { _ = tap.Close() })
	bring(t, h, want)
	if n := len(qemus(t)); n != 2 {
		t.Errorf("%d guests run", n)
	}
}
