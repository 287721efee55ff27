package libvirtd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ispctl/internal/testkit"
	"ispctl/vm"
	"ispctl/vm/libvirtd"
)

// TestSystem drives the guests of a libvirtd, and goes on after that was
// killed and has come back.
func TestSystem(t *testing.T) {
	if _, err := exec.LookPath("libvirtd"); err != nil {
		testkit.Need(t, testkit.Feature{Name: "libvirtd", Probe: func() error { return err }})
	}
	if !enter(t) {
		return
	}
	paths := furnish(t)
	etc := daemonDirs(t)
	write(t, filepath.Join(etc, "libvirtd.conf"), []byte("auth_unix_rw = \"none\"\n"))
	// virtlogd, which is the default, would be one more daemon.
	write(t, filepath.Join(etc, "qemu.conf"), []byte("stdio_handler = \"file\"\nsecurity_driver = \"none\"\nuser = \"root\"\ngroup = \"root\"\n"+
		"dynamic_ownership = 0\nnamespaces = []\ncgroup_controllers = []\n"))

	h := libvirtd.Open("system", paths, inst)
	h.Grace = 10 * time.Second
	if _, err := h.Observe(t.Context()); err == nil {
		t.Fatal("connected to no libvirtd")
	} else {
		t.Log(err)
	}
	daemon := startDaemon(t, etc)
	want := wanted(t, worldModels()[2])
	bring(t, h, want)
	ran := qemus(t)
	if len(ran) != 2 {
		t.Fatalf("running: %v", ran)
	}

	must(t, daemon.Process.Kill())
	_ = daemon.Wait()
	if have, err := h.Observe(t.Context()); err == nil {
		t.Errorf("observed without a libvirtd: %v", have)
	}
	startDaemon(t, etc)
	have, err := h.Observe(t.Context())
	must(t, err)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("after libvirtd came back (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ran, qemus(t)); diff != "" {
		t.Errorf("guests did not outlive libvirtd:\n%s", diff)
	}
	bring(t, h, vm.State{})
	if left := qemus(t); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	must(t, h.Close())
}

// daemonDirs gives the world's libvirtd directories of its own, in place of the
// machine's, and returns the one for its configuration.
func daemonDirs(t testing.TB) string {
	t.Helper()
	const etc = "/etc/libvirt"
	for _, dir := range []string{"/run", "/var/lib", "/var/cache", "/var/log", etc} {
		must(t, unix.Mount("world", dir, "tmpfs", 0, "mode=755"))
	}
	return etc
}

// startDaemon starts libvirtd, and waits until it listens.
func startDaemon(t testing.TB, etc string) *exec.Cmd {
	t.Helper()
	const socket = "/run/libvirt/libvirt-sock"
	_ = os.Remove(socket)
	cmd := exec.Command("libvirtd", "-f", filepath.Join(etc, "libvirtd.conf"))
	cmd.Env = append(os.Environ(), "LIBVIRT_LOG_OUTPUTS=3:file:/run/libvirtd.log")
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	for range 100 {
		if _, err := os.Stat(socket); err == nil {
			return cmd
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("libvirtd does not listen")
	return nil
}
