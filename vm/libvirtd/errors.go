package libvirtd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"libvirt.org/go/libvirt"

	"ispctl"
)

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

// barred is an error if a directory above the file cannot be passed by the users
// of guests, who are in no group.
func barred(file string) error {
	for dir := filepath.Dir(file); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if st, err := os.Stat(dir); err == nil && st.Mode()&0o001 == 0 {
			return &ispctl.Error{
				Kind: ispctl.Conflict, Object: "directory " + dir, Cause: fmt.Sprintf("guests run as users of their own, who cannot pass it (mode %04o)", st.Mode().Perm()),
				Next: "chmod o+x " + dir,
			}
		}
	}
	return nil
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
