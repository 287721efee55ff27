// Package unixsock is sockets of unix(7) at paths of any length: the operator
// chooses where an installation lives, and a socket's name has 108 bytes at the
// most.
package unixsock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Dial connects to a socket.
func Dial(path string) (conn *net.UnixConn, err error) {
	err = inDir(path, func(short string) error {
		conn, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: short, Net: "unix"})
		return err
	})
	return conn, err
}

// Listen listens at a socket that only its owner can connect to. One that was
// left behind is taken away, so the caller knows that nobody is there.
func Listen(path string) (l *net.UnixListener, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	err = inDir(path, func(short string) error {
		defer unix.Umask(unix.Umask(0o077)) // from the first moment
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
		return err
	})
	if err == nil {
		l.SetUnlinkOnClose(false) // by a name that is no more
	}
	return l, err
}

// inDir hands out a short name for a path, while its directory is open.
func inDir(path string, do func(short string) error) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // it was only stood in
	return do(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}
