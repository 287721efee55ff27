package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const qemu = "qemu-system-x86_64"

// machine is a QEMU that runs.
type machine struct {
	qmp    *qmp
	work   net.Conn // the second serial port
	lines  *bufio.Reader
	pid    int
	exited chan struct{} // closed when QEMU has ended and was waited for
	stderr *os.File
	dir    string
}

// Files of a machine in the directory of its run.
const (
	consoleFile = "console.log"
	payloadFile = "payload.img"
	stderrFile  = "qemu.log"
	stateFile   = "memory.zst"
)

// hardware is the part of the command line that a saved memory depends on. The
// root file system is read-only for good; the payload has a fixed size, and is
// not looked into before the machine is told to go on, so it may be another one
// in each life of the same memory.
func (f Flavour) hardware(kvm bool) []string {
	accel, cpu, memory := "tcg,thread=multi,tb-size=512", "max", "1024"
	linux := "loglevel=5 no_timer_check panic=-1 oops=panic net.ifnames=0 mitigations=off random.trust_cpu=on"
	if f.Systemd && !kvm {
		// KVM upon an emulated SVM starts a guest that never comes up.
		linux += " module_blacklist=kvm_amd"
	}
	boot := []string{"-kernel", kernelFile, "-initrd", initrdFile, "-append", "console=ttyS0 " + linux}
	switch {
	case f.Xen:
		// The plainest processor there is: with what TCG can do beyond it
		// (SMAP), dom0 does not come up.
		cpu, memory = "qemu64", "2048"
		boot = []string{
			"-kernel", xenFile, "-initrd", kernelFile + " console=hvc0 " + linux + "," + initrdFile,
			"-append", "console=com1 com1=115200,8n1 dom0_mem=1024M,max:1024M sched=credit spec-ctrl=no",
		}
	case kvm:
		accel, cpu = "kvm", "host"
	}
	if f.Systemd {
		memory = "2048" // a guest, and what is written, are in it
	}
	return append(boot,
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "q35", "-accel", accel, "-cpu", cpu, "-m", memory, "-smp", "2",
		"-device", "virtio-blk-pci,drive=root,addr=4", "-device", "virtio-blk-pci,drive=payload,addr=5",
		"-serial", "chardev:console", "-serial", "chardev:work", "-mon", "chardev=qmp,mode=control",
	)
}

// start starts QEMU in the directory of a run. With a state it goes on from
// that memory, else it boots.
func start(s system, kvm bool, dir, state string) (m *machine, err error) {
	m = &machine{dir: dir, exited: make(chan struct{})}
	work, workEnd, err := socketpair("work")
	if err != nil {
		return nil, err
	}
	defer workEnd.Close()
	monitor, monitorEnd, err := socketpair("monitor")
	if err != nil {
		return nil, errors.Join(err, work.Close())
	}
	defer monitorEnd.Close()
	m.work, m.lines = work, bufio.NewReader(work)
	if m.stderr, err = os.Create(filepath.Join(dir, stderrFile)); err != nil {
		return nil, errors.Join(err, work.Close(), monitor.Close())
	}
	argv := append(s.flavour.hardware(kvm),
		"-drive", "if=none,id=root,format=raw,readonly=on,file="+comma(s.file(rootFile)),
		"-drive", "if=none,id=payload,format=raw,cache=unsafe,file="+comma(filepath.Join(dir, payloadFile)),
		"-chardev", "file,id=console,path="+comma(filepath.Join(dir, consoleFile)),
		"-chardev", "socket,id=work,fd=3", "-chardev", "socket,id=qmp,fd=4",
	)
	if state != "" {
		// A redirection, because zstd passes over symbolic links.
		argv = append(argv, "-incoming", "exec:zstd -dcq <"+quote(state))
	}
	cmd := exec.Command(qemu, argv...)
	cmd.Dir = s.dir // the names of kernel and initial RAM disk are of files in there
	cmd.Stderr, cmd.ExtraFiles = m.stderr, []*os.File{workEnd, monitorEnd}
	// A group of its own: with QEMU ends the zstd it started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// Pdeathsig is sent when the thread ends that started the program.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			m.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // killed, mostly; what it said is in the file
		}
		close(m.exited)
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(err, work.Close(), monitor.Close(), m.stderr.Close())
	}
	// The children have their ends now; an end we kept would hide theirs.
	_ = workEnd.Close()
	_ = monitorEnd.Close()
	if m.qmp, err = newQMP(monitor); err != nil {
		err = errors.Join(err, monitor.Close())
		return nil, m.explain(err)
	}
	return m, nil
}

// socketpair is a connection and the file to hand to a child.
func socketpair(name string) (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name)
	conn, err := net.FileConn(ours) // a duplicate
	if err := errors.Join(err, ours.Close()); err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn, theirs, nil
}

// comma doubles commas, as QEMU wants them in the value of an option.
func comma(path string) string { return strings.ReplaceAll(path, ",", ",,") }

// quote makes a text one word of sh(1).
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// close ends QEMU at once: nothing in it is worth keeping.
func (m *machine) close() {
	m.kill()
	<-m.exited
	_ = m.work.Close()
	_ = m.stderr.Close()
	if m.qmp != nil {
		_ = m.qmp.conn.Close()
	}
}

// kill ends the processes, unless they have ended: then the number may be
// another's. Between the two looks it cannot become that, since the kernel
// counts up all numbers first.
func (m *machine) kill() {
	select {
	case <-m.exited:
	default:
		_ = unix.Kill(-m.pid, unix.SIGKILL)
	}
}

// line reads a line of the second serial port.
func (m *machine) line(atMost time.Duration) (string, error) {
	_ = m.work.SetReadDeadline(time.Now().Add(atMost)) // a socket has deadlines
	return m.lines.ReadString('\n')
}

// tell writes a line to the second serial port.
func (m *machine) tell(line string) error {
	_ = m.work.SetWriteDeadline(time.Now().Add(answerTime))
	_, err := m.work.Write([]byte(line + "\n"))
	return err
}

// ready waits until process 1 has come to where it waits for us.
func (m *machine) ready(atMost time.Duration) error {
	line, err := m.line(atMost)
	if err == nil && !strings.HasPrefix(line, "ready ") {
		err = fmt.Errorf("process 1 says %q", line)
	}
	if err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	return nil
}

// save writes the machine's memory to the file [stateFile], and lets it go on.
func (m *machine) save() error {
	if err := m.qmp.do("stop", nil, nil); err != nil {
		return err
	}
	if err := m.qmp.do("migrate-set-parameters", map[string]any{"max-bandwidth": 10 << 30}, nil); err != nil {
		return err
	}
	uri := "exec:zstd -1 -q > " + quote(filepath.Join(m.dir, stateFile))
	if err := m.qmp.do("migrate", map[string]any{"uri": uri}, nil); err != nil {
		return err
	}
	if err := m.qmp.until("query-migrate", "completed", bootTime); err != nil {
		return err
	}
	return m.qmp.do("cont", nil, nil)
}

// resume lets a machine go on whose memory is being read.
func (m *machine) resume() error {
	if err := m.qmp.until("query-status", "paused", bootTime); err != nil {
		return err
	}
	return m.qmp.do("cont", nil, nil)
}

// explain ends the machine and adds to an error what it and QEMU said last.
func (m *machine) explain(err error) error {
	m.close()
	said := ""
	for _, f := range []struct{ what, name string }{{"QEMU", stderrFile}, {"the console", consoleFile}} {
		data, _ := os.ReadFile(filepath.Join(m.dir, f.name)) // gone or empty: nothing to add
		if text := strings.TrimSpace(strings.ReplaceAll(string(data), "\r", "")); text != "" {
			said += "\nlast on " + f.what + ":\n" + tail(text)
		}
	}
	return fmt.Errorf("%w%s", err, said)
}

// while kills the machine when the context ends.
func (m *machine) while(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, m.kill)
}
