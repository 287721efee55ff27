package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/scratch"
)

// arrives sends from one end to the other and reports whether it was answered.
// It leaves the calling thread anywhere.
func arrives(ctx context.Context, from, to end, q Question) (Outcome, error) {
	o := Outcome{Detail: fmt.Sprintf("%s to %s", from.addr, to.addr)}
	if !from.addr.IsValid() {
		o.Detail = fmt.Sprintf("the host to %s", to.addr)
	}
	if err := to.ns.Return(); err != nil {
		return o, err
	}
	stop, err := answer(ctx, to.addr, q.Opening)
	if err != nil {
		return o, err
	}
	defer stop()
	if err := from.ns.Return(); err != nil {
		return o, err
	}
	o.Reached, err = send(ctx, to.addr, q.Opening)
	return o, err
}

// answer answers on the port until stop is called; ICMP the kernel answers.
// Where a program listens already, that is who answers.
func answer(ctx context.Context, addr netip.Addr, o ispctl.Opening) (stop func(), err error) {
	var listen net.ListenConfig
	at := netip.AddrPortFrom(addr, o.Port).String()
	switch o.Transport {
	case ispctl.TransportTCP:
		l, err := listen.Listen(ctx, "tcp", at)
		if errors.Is(err, unix.EADDRINUSE) {
			return func() {}, nil
		}
		if err != nil {
			return nil, err
		}
		return func() { _ = l.Close() }, nil
	case ispctl.TransportUDP:
		c, err := listen.ListenPacket(ctx, "udp", at)
		if errors.Is(err, unix.EADDRINUSE) {
			return nil, &ispctl.Error{Kind: ispctl.Conflict, Object: "udp/" + strconv.Itoa(int(o.Port)) + " of the host", Cause: "a program listens there, and may not answer what it does not know", Next: "try another port, or ask without --probe"}
		}
		if err != nil {
			return nil, err
		}
		go echo(c)
		return func() { _ = c.Close() }, nil
	}
	return func() {}, nil
}

// echo sends everything back until the socket is closed.
func echo(c net.PacketConn) {
	b := make([]byte, 64)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(b[:n], from) // no answer is an answer
	}
}

// send tries the service and reports whether it answered.
func send(ctx context.Context, to netip.Addr, o ispctl.Opening) (bool, error) {
	if o.Transport == ispctl.ICMP {
		return ping(to)
	}
	d := net.Dialer{Timeout: patience}
	c, err := d.DialContext(ctx, string(o.Transport), netip.AddrPortFrom(to, o.Port).String())
	if err != nil {
		return false, ctx.Err() // refused or silent: that is what was asked
	}
	defer c.Close() //nolint:errcheck // nothing is lost with it
	if o.Transport == ispctl.TransportTCP {
		return true, nil
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return false, err
	}
	if _, err := c.Write([]byte("probe")); err != nil {
		return false, nil
	}
	_, err = c.Read(make([]byte, 8))
	return err == nil, nil
}

// ping sends one echo request and waits for its answer.
func ping(to netip.Addr) (bool, error) {
	network, own, request, reply := "ip4:icmp", "0.0.0.0", icmp.Type(ipv4.ICMPTypeEcho), icmp.Type(ipv4.ICMPTypeEchoReply)
	if to.Is6() {
		network, own, request, reply = "ip6:ipv6-icmp", "::", ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	c, err := icmp.ListenPacket(network, own)
	if err != nil {
		return false, err
	}
	defer c.Close() //nolint:errcheck // nothing is lost with it
	id := os.Getpid() & 0xffff
	b, err := (&icmp.Message{Type: request, Body: &icmp.Echo{ID: id, Seq: 1, Data: []byte("ispctl probe")}}).Marshal(nil)
	if err != nil {
		return false, err
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return false, err
	}
	if _, err := c.WriteTo(b, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return false, nil // no way there: that is what was asked
	}
	for buf := make([]byte, 256); ; {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return false, nil
		}
		m, err := icmp.ParseMessage(request.Protocol(), buf[:n])
		if err != nil || m.Type != reply || from.String() != to.String() {
			continue
		}
		if e, ok := m.Body.(*icmp.Echo); ok && e.ID == id {
			return true, nil
		}
	}
}

// leaves sends to whoever is next on the uplink, and watches the packet go out
// there: whether they answer is theirs to say.
func leaves(ctx context.Context, m *ispctl.Model, host scratch.Namespace, from end, q Question) (Outcome, error) {
	target := m.Uplink.Gateway
	if q.Family == ispctl.IPv6 {
		target = m.Uplink.Gateway6
	}
	if !target.IsValid() {
		return Outcome{}, &ispctl.Error{
			Kind: ispctl.Conflict, Object: "uplink " + m.Uplink.Interface, Cause: fmt.Sprintf("has no %s gateway to send to", q.Family),
			Next: "declare it: ispctl init --gateway ADDRESS",
		}
	}
	if err := host.Return(); err != nil {
		return Outcome{}, err
	}
	wire, err := tap(m.Uplink.Interface)
	if err != nil {
		return Outcome{}, err
	}
	defer unix.Close(wire) //nolint:errcheck // nothing is lost with it
	if err := from.ns.Return(); err != nil {
		return Outcome{}, err
	}
	if _, err := send(ctx, target, q.Opening); err != nil {
		return Outcome{}, err
	}
	o := Outcome{Detail: fmt.Sprintf("%s to %s, by %s", from.addr, target, m.Uplink.Interface)}
	for buf := make([]byte, 2048); ; {
		n, sender, err := unix.Recvfrom(wire, buf, unix.MSG_DONTWAIT)
		if err != nil {
			return o, nil // there is no more
		}
		if ll, ok := sender.(*unix.SockaddrLinklayer); !ok || ll.Pkttype != unix.PACKET_OUTGOING {
			continue
		}
		if source, ok := matches(buf[:n], target, q.Opening); ok {
			o.Reached = true
			o.Detail += " as " + source.String()
			return o, nil
		}
	}
}

// tap is a socket that sees what goes over a link (packet(7)).
func tap(link string) (int, error) {
	ifi, err := net.InterfaceByName(link)
	if err != nil {
		return 0, err
	}
	all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL & 0xff})
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		return 0, fmt.Errorf("watch %s: %w", link, err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifi.Index}); err != nil {
		return 0, errors.Join(fmt.Errorf("watch %s: %w", link, err), unix.Close(fd))
	}
	return fd, nil
}

// matches reports whether a packet is the one that was sent, and its source.
func matches(b []byte, target netip.Addr, o ispctl.Opening) (source netip.Addr, ok bool) {
	number := map[ispctl.Transport]int{ispctl.TransportTCP: unix.IPPROTO_TCP, ispctl.TransportUDP: unix.IPPROTO_UDP, ispctl.ICMP: unix.IPPROTO_ICMP}[o.Transport]
	var proto int
	var dest netip.Addr
	var payload []byte
	if target.Is4() {
		h, err := ipv4.ParseHeader(b)
		if err != nil || len(b) < h.Len {
			return source, false
		}
		source, _ = netip.AddrFromSlice(h.Src.To4())
		dest, _ = netip.AddrFromSlice(h.Dst.To4())
		proto, payload = h.Protocol, b[h.Len:]
	} else {
		h, err := ipv6.ParseHeader(b)
		if err != nil || len(b) < ipv6.HeaderLen {
			return source, false
		}
		source, _ = netip.AddrFromSlice(h.Src)
		dest, _ = netip.AddrFromSlice(h.Dst)
		proto, payload = h.NextHeader, b[ipv6.HeaderLen:]
		if o.Transport == ispctl.ICMP {
			number = unix.IPPROTO_ICMPV6
		}
	}
	if dest != target || proto != number {
		return source, false
	}
	return source, o.Port == 0 || len(payload) >= 4 && binary.BigEndian.Uint16(payload[2:]) == o.Port
}
