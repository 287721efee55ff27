package libvirtd_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/vm"
	"ispctl/vm/libvirtd"
)

// A world is where the embedded driver can be let loose: namespaces of its own
// for processes, mounts and networks. libvirt starts threads and daemons, so
// the namespaces are those of a whole process, not of a test's thread. When
// the world's first process ends, for whatever reason, the kernel kills every
// QEMU in it.
const (
	roleEnv = "ISPCTL_TEST_ROLE"
	rootEnv = "ISPCTL_TEST_ROOT"

	roleMaker  = "maker"  // first process of a world: mounts, then becomes the reaper
	roleReaper = "reaper" // buries daemons whose parents have died
	roleTest   = "test"   // the test, inside
	roleWorker = "worker" // an ispctl that comes and goes
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case roleMaker:
		fmt.Fprintln(os.Stderr, "make a world:", makeWorld())
		os.Exit(1)
	case roleReaper:
		os.Exit(reap())
	case roleWorker:
		os.Exit(work())
	}
	os.Exit(m.Run())
}

// enter re-executes the test in a world, and reports whether it is in there.
func enter(t *testing.T) bool {
	t.Helper()
	if os.Getenv(roleEnv) == roleTest {
		return true
	}
	testkit.Need(t, testkit.Root, qemuDriver)
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=100s")
	cmd.Env = append(os.Environ(), roleEnv+"="+roleMaker, rootEnv+"="+testkit.PassableDir(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	// The signal is sent when the thread dies that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Errorf("%v\n%s", err, out)
	case testing.Verbose():
		t.Logf("%s", out)
	}
	return false
}

var qemuDriver = testkit.Feature{Name: "libvirt's QEMU driver and qemu-system-x86_64", Probe: func() error {
	drivers, _ := filepath.Glob("/usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so")
	if len(drivers) == 0 {
		return errors.New("no libvirt_driver_qemu.so")
	}
	_, err := exec.LookPath("qemu-system-x86_64")
	return err
}}

// makeWorld returns only if it fails.
func makeWorld() error {
	runtime.LockOSThread()
	root := os.Getenv(rootEnv)
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// libvirt, and the short name of a long root, leave files here.
	if err := unix.Mount("world", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if err := addUser(root); err != nil {
		return err
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if vm.KVMMisleads() {
		if err := libvirtd.HideKVM(ispctl.Paths{Root: root}); err != nil {
			return err
		}
	}
	// As the program does it: the thread that hid the device becomes all of
	// the process.
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Setenv(roleEnv, roleReaper); err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, os.Environ())
}

// addUser makes the user that Debian's libvirt looks for, whatever qemu.conf
// says; the package that has it, libvirt-daemon-system, starts a libvirtd.
func addUser(root string) error {
	const name, id = "libvirt-qemu", "64055"
	for file, line := range map[string]string{
		"/etc/passwd": name + ":x:" + id + ":" + id + "::/nonexistent:/usr/sbin/nologin\n",
		"/etc/group":  name + ":x:" + id + ":\n",
	} {
		have, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if strings.Contains("\n"+string(have), "\n"+name+":") {
			continue
		}
		with := filepath.Join(root, filepath.Base(file))
		if err := os.WriteFile(with, append(have, line...), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(with, file, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount over %s: %w", file, err)
		}
	}
	return nil
}

// reap runs the test and waits for everything that ends meanwhile. libvirt
// takes a guest for alive for as long as there is a zombie of it.
func reap() int {
	test := exec.Command("/proc/self/exe", os.Args[1:]...)
	test.Env = append(os.Environ(), roleEnv+"="+roleTest)
	test.Stdout, test.Stderr = os.Stdout, os.Stderr
	if err := test.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			return 1
		case pid == test.Process.Pid:
			if status.Exited() {
				return status.ExitStatus()
			}
			fmt.Fprintln(os.Stderr, "test ended by", status.Signal())
			return 1
		}
	}
}

// qemus are the processes of QEMU in the world, by the UUID of their guest.
func qemus(t testing.TB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		args := strings.Split(string(data), "\x00")
		for i, arg := range args[:len(args)-1] {
			if arg == "-uuid" && strings.Contains(args[0], "qemu-system") {
				all[args[i+1]] = append(all[args[i+1]], filepath.Base(filepath.Dir(file)))
			}
		}
	}
	return all
}
