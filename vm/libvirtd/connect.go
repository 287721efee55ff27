package libvirtd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"libvirt.org/go/libvirt"

	"ispctl"
)

// The short names of two URIs.
const (
	embed  = "embed"
	system = "system"
)

// connect returns a connection that is alive, which the caller closes.
func (h *Hypervisor) connect(ctx context.Context) (*libvirt.Connect, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != nil {
		if alive, err := h.conn.IsAlive(); err != nil || !alive {
			_, _ = h.conn.Close() // it is dead already
			h.conn = nil
		}
	}
	if h.conn == nil {
		conn, err := h.dial(ctx)
		if err != nil {
			return nil, err
		}
		h.conn = conn
	}
	if err := h.conn.Ref(); err != nil {
		return nil, text(err)
	}
	return h.conn, nil
}

func (h *Hypervisor) dial(ctx context.Context) (*libvirt.Connect, error) {
	uri := h.uri
	switch h.uri {
	case system:
		uri = "qemu:///system"
	case embed:
		if err := writeConfig(h.paths); err != nil {
			return nil, err
		}
		uri = "qemu:///embed?" + url.Values{"root": {h.paths.Embed()}}.Encode()
		defer logTo(filepath.Join(h.paths.Embed(), "log", "libvirt.log"))()
	}
	if err := events(); err != nil {
		return nil, explain(h.uri, err)
	}
	conn, err := libvirt.NewConnect(uri)
	if err != nil {
		return nil, explain(h.uri, err)
	}
	if h.uri == embed {
		settle(ctx, conn)
	}
	return conn, nil
}

// events starts libvirt's event loop, which is one for the whole process, is
// to be there before the first connection, and cannot be ended. The embedded
// driver hears QEMU through it.
var events = sync.OnceValue(func() error {
	if err := libvirt.EventRegisterDefaultImpl(); err != nil {
		return err
	}
	go func() {
		for {
			if err := libvirt.EventRunDefaultImpl(); err != nil {
				time.Sleep(time.Second)
			}
		}
	}()
	return nil
})

// logTo sends libvirt's own log to a file, unless the operator said where to,
// until the returned function is called. The embedded driver would write it to
// our stderr. libvirt reads the variable once, when it is initialised.
func logTo(path string) (undo func()) {
	const outputs = "LIBVIRT_LOG_OUTPUTS"
	if _, set := os.LookupEnv(outputs); set {
		return func() {}
	}
	const warnings = "3"
	_ = os.Setenv(outputs, warnings+":file:"+path)
	return func() { _ = os.Unsetenv(outputs) }
}

// settleTime is how long guests may take to answer a new connection. QEMU
// answers in milliseconds unless it hangs.
const settleTime = 10 * time.Second

// settle waits until the embedded driver has found out which guests of an
// earlier process still run. It does so in threads of its own, and until then
// takes every guest for alive whose status file is there. Reading memory
// statistics has to wait for those threads; the statistics are of no interest,
// nor is the error that a guest without a process gives.
func settle(ctx context.Context, conn *libvirt.Connect) {
	all, err := conn.ListAllDomains(libvirt.CONNECT_LIST_DOMAINS_ACTIVE)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	done := make(chan struct{}, len(all))
	for _, dom := range all {
		go func() {
			_, _ = dom.MemoryStats(1, 0)
			_ = dom.Free()
			done <- struct{}{}
		}()
	}
	for range all {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// explain makes an error of the kinds that an operator can do something about.
func explain(uri string, err error) error {
	message := err.Error()
	if e, ok := errors.AsType[libvirt.Error](err); ok {
		message = e.Message
	}
	e := &ispctl.Error{Object: "hypervisor " + uri, Cause: "cannot connect", Err: text(err)}
	switch {
	case strings.Contains(message, "libvirt.so"), strings.Contains(message, "libvirt-admin.so"):
		e.Cause, e.Next = "libvirt's library is missing", "install it: apt install libvirt0"
	case is(err, libvirt.ERR_NO_CONNECT), uri == embed && strings.Contains(message, "no connection driver"):
		e.Next = "install the driver: apt install libvirt-daemon-driver-qemu"
	case uri == embed && strings.Contains(message, "driver.pid"):
		e.Kind, e.Cause, e.Next = ispctl.Conflict, "is in use by another process", "wait until it ends, or stop it"
	case uri == embed && strings.Contains(message, "'libvirt-qemu'"):
		e.Next = "make the user: adduser --system --group --no-create-home libvirt-qemu"
	case uri == system && is(err, libvirt.ERR_SYSTEM_ERROR):
		e.Next = "start it: systemctl start libvirtd; or install it: apt install libvirt-daemon-system"
	case is(err, libvirt.ERR_AUTH_FAILED), is(err, libvirt.ERR_ACCESS_DENIED):
		e.Kind, e.Next = ispctl.Permission, "run it as root"
	}
	return e
}

// is reports whether libvirt refused with that code.
func is(err error, code libvirt.ErrorNumber) bool {
	e, ok := errors.AsType[libvirt.Error](err)
	return ok && e.Code == code
}

// text makes a libvirt error read as one line of its message. QEMU's own
// complaints come in several.
func text(err error) error {
	e, ok := err.(libvirt.Error)
	if !ok {
		return err // none, or one that was made by us around it
	}
	return &failure{strings.ReplaceAll(strings.TrimSpace(e.Message), "\n", "; "), e}
}

type failure struct {
	message string
	err     libvirt.Error
}

func (f *failure) Error() string { return f.message }
func (f *failure) Unwrap() error { return f.err }

// writeConfig writes the embedded driver's qemu.conf.
func writeConfig(paths ispctl.Paths) error {
	dir := filepath.Join(paths.Embed(), "etc")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory of qemu.conf: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(paths.Embed(), "log"), 0o700); err != nil {
		return fmt.Errorf("make directory of libvirt's log: %w", err)
	}
	path := filepath.Join(dir, "qemu.conf")
	if have, err := os.ReadFile(path); err == nil && string(have) == qemuConf {
		return nil
	}
	// Renamed into place: a process killed here must not leave half of it.
	if err := os.WriteFile(path+".tmp", []byte(qemuConf), 0o600); err != nil {
		return fmt.Errorf("write qemu.conf: %w", err)
	}
	return os.Rename(path+".tmp", path)
}

// qemuConf is for a process that is root on a machine where nothing else
// manages QEMU. https://libvirt.org/drvqemu.html
const qemuConf = `# Written by ispctl. Changes are overwritten.

# There is no virtlogd: QEMU writes the logs itself.
stdio_handler = "file"

# There may be neither AppArmor nor a profile of it.
security_driver = "none"

# The files of guests are root's alone and stay as they are. Were libvirt to
# change owners, it would mark the image's kernel, which guests share, with
# reference counts that a kill -9 leaves wrong for good.
user = "root"
group = "root"
dynamic_ownership = 0

# QEMU runs in the namespaces of the process that starts it. A /dev of its own
# would show it the /dev/kvm that was hidden from us.
namespaces = []

# No machined and no systemd is asked for a control group.
cgroup_controllers = []
`
