package libvirtd

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"libvirt.org/go/libvirt"
)

// The driver inside this process, and libvirt's system daemon.
const (
	embed  = "embed"
	system = "qemu:///system"
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
	if h.uri == embed {
		if err := writeConfig(h.paths); err != nil {
			return nil, err
		}
		if err := waitForLock(ctx, driverLock(h.paths), h.Patience); err != nil {
			return nil, err
		}
		if err := clearCutOff(h.paths); err != nil {
			return nil, err
		}
		root, undoShort, err := shortRoot(h.paths.Embed())
		if err != nil {
			return nil, err
		}
		h.undoShort = undoShort
		uri = "qemu:///embed?" + url.Values{"root": {root}}.Encode()
		undo := logTo(filepath.Join(h.paths.Embed(), "log", "libvirt.log"))
		defer undo()
	}
	if err := events(); err != nil {
		return nil, explain(h.uri, err)
	}
	if h.uri == embed {
		loadSecrets(uri)
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

// loadSecrets has libvirt load its driver of secrets before that of QEMU, which
// otherwise loads it at the first start of a guest. What QEMU can do is kept in a
// cache that counts only as long as the newest of the drivers that are loaded was
// installed when it was at the writing; a package manager needs more than a second
// for them all, and QEMU would be asked anew by each process, for about a second.
func loadSecrets(qemu string) {
	conn, err := libvirt.NewConnect(strings.Replace(qemu, "qemu", "secret", 1))
	if err == nil {
		_, _ = conn.Close()
	}
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
	if st, err := os.Stat(path); err == nil && st.Size() > maxLog {
		_ = os.Rename(path, path+".old")
	}
	_ = os.Setenv(outputs, warnings+":file:"+path)
	return func() { _ = os.Unsetenv(outputs) }
}

// maxLog is how many bytes of libvirt's log are enough. It writes a line for
// every domain that is looked up in vain.
const maxLog = 1 << 20
