package control

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Call is a command as it is asked for.
type Call struct {
	Args []string          `json:"args"`
	Env  map[string]string `json:"env"` // what of the caller's a command may go by
}

// answer ends a call.
type answer struct {
	Exit int `json:"exit"`
}

// streams are a caller's standard input, output and error.
const streams = 3

// maxCall bounds what a caller can have us read.
const maxCall = 1 << 16

// send writes a message with its length before it, and files with that.
func send(conn *net.UnixConn, message any, files ...*os.File) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(text) > maxCall {
		return fmt.Errorf("a command line of %d bytes; %d are the most", len(text), maxCall)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := conn.WriteMsgUnix(binary.BigEndian.AppendUint32(nil, uint32(len(text))), rights, nil); err != nil {
		return err
	}
	_, err = conn.Write(text)
	return err
}

// receive reads a message, and the files that come with its length.
func receive(conn *net.UnixConn, message any) (files []*os.File, err error) {
	length, oob := make([]byte, 4), make([]byte, unix.CmsgSpace(streams*4))
	n, oobn, flags, _, err := conn.ReadMsgUnix(length, oob)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	files, err = filesOf(oob[:oobn])
	defer func() {
		if err != nil {
			closeAll(files)
			files = nil
		}
	}()
	if flags&unix.MSG_CTRUNC != 0 {
		err = errors.Join(err, errors.New("too many files"))
	}
	if err != nil {
		return files, err
	}
	if _, err = io.ReadFull(conn, length[n:]); err != nil {
		return files, err
	}
	size := binary.BigEndian.Uint32(length)
	if size > maxCall {
		return files, fmt.Errorf("a message of %d bytes; %d are the most", size, maxCall)
	}
	text := make([]byte, size)
	if _, err = io.ReadFull(conn, text); err != nil {
		return files, err
	}
	return files, json.Unmarshal(text, message)
}

func filesOf(oob []byte) (files []*os.File, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		fds, err := unix.ParseUnixRights(&one)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "caller"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // the caller has them still
	}
}
