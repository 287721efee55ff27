package qos_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/qos"
)

// TestLeavesAreFair queues a hundred large datagrams of one flow, two seconds of
// them at this rate, and then a small one of another. In one queue it is the
// last; with fq_codel it overtakes. The order tells, not the clock.
func TestLeavesAreFair(t *testing.T) {
	const bulk = 100
	t.Run("one queue", func(t *testing.T) {
		if before := overtaken(t, bulk, qos.FIFO); before < bulk/2 {
			t.Errorf("%d of %d datagrams were before it: the test has shown nothing", before, bulk)
		}
	})
	t.Run("fq_codel", func(t *testing.T) {
		testkit.Need(t, testkit.FQCodel)
		if before := overtaken(t, bulk, qos.FQCodel); before >= bulk/2 {
			t.Errorf("%d of %d datagrams were before it", before, bulk)
		}
	})
}

// overtaken is how many of the large datagrams arrive before the small one, or
// at all if that is lost.
func overtaken(t *testing.T, bulk int, leaf qos.Kind) (before int) {
	t.Helper()
	testkit.NetNS(t)
	testkit.Need(t, testkit.HTB, testkit.IFB, testkit.Mirred)
	up0(t)
	m := limited(0)
	m.Plans[0].Limits = ispctl.Limits{Down: ispctl.Mbit, Burst: 4 * ispctl.KiB}
	tap := m.VMs[1].NICs[0].Tap
	for _, vm := range m.VMs {
		for _, nic := range vm.NICs {
			if nic.Tap != tap {
				taps(t, nic.Tap)
			}
		}
	}
	testkit.Sh(t, "ip", "link", "add", tap, "type", "veth", "peer", "name", "guest")
	for _, name := range []string{tap, "guest"} {
		testkit.Sh(t, "sysctl", "-qw", "net.ipv6.conf."+name+".disable_ipv6=1")
		testkit.Sh(t, "ip", "link", "set", name, "up")
	}
	testkit.Sh(t, "ip", "link", "set", tap, "group", fmt.Sprint(inst.LinkGroup()))
	want, err := qos.Desired(qos.Means{Leaf: func() qos.Kind { return leaf }})(m)
	if err != nil {
		t.Fatal(err)
	}
	k := open(t)
	have, err := k.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Apply(t.Context(), qos.Diff(want, have)); err != nil {
		t.Fatal(err)
	}
	out, in := wire(t, tap), wire(t, "guest")
	for range bulk {
		send(t, out, 5001, 1200)
	}
	send(t, out, 53, 20)
	buffer := make([]byte, 2048)
	for quiet := time.Now().Add(time.Minute); time.Now().Before(quiet); {
		n, err := unix.Read(in, buffer)
		switch {
		case errors.Is(err, unix.EAGAIN) && before >= bulk/2, before == bulk:
			return before // and the small one is lost
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), n < 42:
			continue
		case err != nil:
			t.Fatal(err)
		}
		switch binary.BigEndian.Uint16(buffer[36:]) {
		case 5001:
			before++
		case 53:
			return before
		}
	}
	t.Fatal("nothing has arrived in a minute")
	return 0
}

// wire opens a link for whole frames. It holds all that is sent at once, and
// waits for five seconds for what comes.
func wire(t *testing.T, name string) int {
	t.Helper()
	link, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	const all = uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := errors.Join(
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 16<<20),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}),
	); err != nil {
		t.Fatal(err)
	}
	return fd
}

// send sends a datagram from the Internet to a guest.
func send(t *testing.T, fd int, port uint16, size int) {
	t.Helper()
	b := make([]byte, 42+size)
	copy(b, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45\x00")
	binary.BigEndian.PutUint16(b[16:], uint16(28+size))
	b[22], b[23] = 64, unix.IPPROTO_UDP
	copy(b[26:], []byte{198, 51, 100, 1, 10, 10, 0, 2})
	binary.BigEndian.PutUint16(b[34:], 40000)
	binary.BigEndian.PutUint16(b[36:], port)
	binary.BigEndian.PutUint16(b[38:], uint16(8+size))
	if _, err := unix.Write(fd, b); err != nil {
		t.Fatal(err)
	}
}
