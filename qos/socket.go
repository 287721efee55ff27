package qos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"ispctl/internal/nlattr"
)

// socket speaks rtnetlink(7). It sends many messages in one system call, which a
// batch of changes to thousands of taps needs, and takes no offence at qdiscs of
// others that it does not know.
type socket struct {
	mu  sync.Mutex
	fd  int
	seq uint32
	buf []byte
}

// message is one request: what it is, how, and what follows the header.
type message struct {
	kind, flags uint16
	body        []byte
}

// Sizes of the socket's buffers and of what is sent at once: the answers to one
// batch must find room.
const (
	socketBuffer = 8 << 20
	receiveSize  = 1 << 18
	batchBytes   = 1 << 16
	batchCount   = 256
)

// dial opens a socket in the caller's network namespace.
func dial() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open route netlink: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(fmt.Errorf("bind route netlink: %w", err), unix.Close(fd))
	}
	// Without the first two errors have no words; the others fail for whom
	// may not, who cannot change anything either.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer)
	return &socket{fd: fd, buf: make([]byte, receiveSize)}, nil
}

// Close closes the socket.
func (s *socket) Close() { _ = unix.Close(s.fd) }

// all sends messages and returns what became of each, and what each was
// answered.
func (s *socket) all(messages []message) (answers [][]byte, errs []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answers, errs = make([][]byte, len(messages)), make([]error, len(messages))
	for first := 0; first < len(messages); {
		last, size := first, 0
		for last < len(messages) && last-first < batchCount && size < batchBytes {
			size += unix.SizeofNlMsghdr + len(messages[last].body) + 3
			last++
		}
		if err := s.batch(messages[first:last], answers[first:last], errs[first:last]); err != nil {
			for i := first; i < len(messages); i++ {
				errs[i] = errors.Join(errs[i], err)
			}
			return answers, errs
		}
		first = last
	}
	return answers, errs
}

// batch sends as many as one call takes. The last asks to be acknowledged, and
// those before are answered first, if at all.
func (s *socket) batch(messages []message, answers [][]byte, errs []error) error {
	base := s.seq + 1
	var out []byte
	for i, m := range messages {
		flags := m.flags | unix.NLM_F_REQUEST
		if i == len(messages)-1 {
			flags |= unix.NLM_F_ACK
		}
		s.seq++
		out = appendMessage(out, m.kind, flags, s.seq, m.body)
	}
	if err := unix.Sendto(s.fd, out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send to route netlink: %w", err)
	}
	for done := false; !done; {
		err := s.receive(func(h unix.NlMsghdr, body []byte) {
			i := int(h.Seq - base)
			if i < 0 || i >= len(messages) {
				return // of an earlier call that was given up
			}
			if h.Type != unix.NLMSG_ERROR {
				answers[i] = append([]byte{}, body...)
				return
			}
			errs[i] = kernelError(h, body)
			done = done || i == len(messages)-1
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dump asks for a list, and once more if it changed while it was told.
func (s *socket) dump(kind uint16, body []byte, each func([]byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	const tries = 10
	for range tries {
		var found [][]byte
		torn, err := s.list(kind, body, func(one []byte) { found = append(found, append([]byte{}, one...)) })
		if err != nil {
			return err
		}
		if torn {
			continue
		}
		for _, one := range found {
			if err := each(one); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("the list changed each time it was told")
}

func (s *socket) list(kind uint16, body []byte, each func([]byte)) (torn bool, err error) {
	s.seq++
	seq := s.seq
	out := appendMessage(nil, kind, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, seq, body)
	if err := unix.Sendto(s.fd, out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return false, fmt.Errorf("send to route netlink: %w", err)
	}
	var failed error
	for done := false; !done; {
		err := s.receive(func(h unix.NlMsghdr, body []byte) {
			if h.Seq != seq {
				return
			}
			torn = torn || h.Flags&unix.NLM_F_DUMP_INTR != 0
			switch h.Type {
			case unix.NLMSG_DONE:
				done = true
			case unix.NLMSG_ERROR:
				failed, done = kernelError(h, body), true
			default:
				each(body)
			}
		})
		if err != nil {
			return torn, err
		}
	}
	return torn, failed
}

// receive hands over the messages of one datagram.
func (s *socket) receive(each func(unix.NlMsghdr, []byte)) error {
	var n int
	var err error
	for {
		n, _, err = unix.Recvfrom(s.fd, s.buf, 0)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("receive from route netlink: %w", err)
	}
	for b := s.buf[:n]; len(b) >= unix.SizeofNlMsghdr; {
		h := unix.NlMsghdr{
			Len: binary.NativeEndian.Uint32(b), Type: binary.NativeEndian.Uint16(b[4:]), Flags: binary.NativeEndian.Uint16(b[6:]),
			Seq: binary.NativeEndian.Uint32(b[8:]), Pid: binary.NativeEndian.Uint32(b[12:]),
		}
		if int(h.Len) < unix.SizeofNlMsghdr || int(h.Len) > len(b) {
			return errors.New("route netlink: a message is cut off")
		}
		each(h, b[unix.SizeofNlMsghdr:h.Len])
		b = b[min(len(b), align(int(h.Len))):]
	}
	return nil
}

// kernelError is the error in an answer, with the kernel's own words where it
// has some; nil: it is none.
func kernelError(h unix.NlMsghdr, body []byte) error {
	if len(body) < 4 {
		return errors.New("route netlink: an answer is cut off")
	}
	number := -int32(binary.NativeEndian.Uint32(body))
	if number == 0 {
		return nil
	}
	const said = 1 // NLMSGERR_ATTR_MSG
	if at := 4 + unix.SizeofNlMsghdr; h.Flags&unix.NLM_F_ACK_TLVS != 0 && len(body) > at {
		if words := nlattr.Attributes(body[at:]).Find(said); len(words) > 1 {
			return fmt.Errorf("%w: %s", unix.Errno(number), words[:len(words)-1])
		}
	}
	return unix.Errno(number)
}

func align(n int) int { return (n + 3) &^ 3 }

func appendMessage(out []byte, kind, flags uint16, seq uint32, body []byte) []byte {
	out = binary.NativeEndian.AppendUint32(out, uint32(unix.SizeofNlMsghdr+len(body)))
	out = binary.NativeEndian.AppendUint16(out, kind)
	out = binary.NativeEndian.AppendUint16(out, flags)
	out = binary.NativeEndian.AppendUint32(out, seq)
	out = binary.NativeEndian.AppendUint32(out, 0)
	return pad(append(out, body...))
}

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// attr appends an attribute.
func attr(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	return pad(append(b, value...))
}

func text(s string) []byte { return append([]byte(s), 0) }

func number(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func short(n uint16) []byte { return binary.NativeEndian.AppendUint16(nil, n) }
