package control

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/unixsock"
)

// ErrNobody says that no server answers at a socket.
var ErrNobody = errors.New("nobody answers")

// Ask has a server do what c says, with the streams of this process, and returns
// the exit code. When ctx ends the server is told, and is waited for all the same:
// what a command does is done in order.
func Ask(ctx context.Context, socket string, c Call) (exit int, err error) {
	conn, err := unixsock.Dial(socket)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrPermission) {
		return 0, ErrNobody
	}
	if err != nil {
		return 0, err
	}
	defer conn.Close() //nolint:errcheck // it was answered
	if err := send(conn, c, os.Stdin, os.Stdout, os.Stderr); err != nil {
		return 0, lost(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.CloseWrite() })
	defer stop()
	var a answer
	if _, err := receive(conn, &a); err != nil {
		return 0, lost(err)
	}
	return a.Exit, nil
}

// lost says what became of a call whose connection broke.
func lost(err error) error {
	if _, broken := errors.AsType[*net.OpError](err); !broken && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return &ispctl.Error{
		Kind: ispctl.Failed, Object: "serve", Cause: "went away before it answered", Next: "see what was done: ispctl status; and whether it runs: systemctl status ispctl",
	}
}
