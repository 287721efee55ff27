package dhcp_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
)

// four is a model without IPv6.
func four(m *ispctl.Model) *ispctl.Model {
	less := *m
	less.Zones, less.VMs = slices.Clone(m.Zones), slices.Clone(m.VMs)
	for i := range less.Zones {
		less.Zones[i].Prefix6 = netip.Prefix{}
	}
	for i := range less.VMs {
		less.VMs[i].NICs = slices.Clone(less.VMs[i].NICs)
		less.VMs[i].NICs[0].Addr6 = netip.Addr{}
	}
	return &less
}

// Types of messages and options of DHCPv6 (RFC 8415, 7.3 and 21; RFC 3646).
const (
	solicit, advertise, request, reply     = 1, 2, 3, 7
	clientID, serverID, iaNA, iaAddr, dns6 = 1, 2, 3, 5, 23
)

// told6 is what DHCPv6 told.
type told6 struct{ addr, dns netip.Addr }

// lease6 asks for an address as a client does (RFC 8415, 18.2.1); it is zero
// where nobody has one for it.
func (g guest) lease6() told6 {
	g.t.Helper()
	link := strings.TrimSpace(testkit.Sh(g.t, "ip", "netns", "exec", g.ns, "cat", "/sys/class/net/eth0/address"))
	mac, err := net.ParseMAC(link)
	if err != nil {
		g.t.Fatal(err)
	}
	var conn *net.UDPConn
	err = netns.Do(g.ns, func() (err error) {
		conn, err = net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6unspecified, Port: 546})
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // all was read
	base := slices.Concat(option6(clientID, append([]byte{0, 3, 0, 1}, mac...)), option6(iaNA, make([]byte, 12)), option6(6, []byte{0, dns6}))
	offered := g.exchange6(conn, mac, solicit, advertise, base)
	if !offered.told().addr.IsValid() {
		return told6{}
	}
	return g.exchange6(conn, mac, request, reply, append(base, option6(serverID, offered[serverID])...)).told()
}

func option6(kind uint16, value []byte) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, kind), uint16(len(value)))
	return append(b, value...)
}

// options6 are the options of a message by their type.
type options6 map[uint16][]byte

func readOptions6(b []byte) options6 {
	all := options6{}
	for len(b) >= 4 && len(b) >= 4+int(binary.BigEndian.Uint16(b[2:])) {
		size := int(binary.BigEndian.Uint16(b[2:]))
		all[binary.BigEndian.Uint16(b)] = b[4 : 4+size]
		b = b[4+size:]
	}
	return all
}

func (o options6) told() told6 {
	var t told6
	if ia := o[iaNA]; len(ia) >= 12 {
		if one := readOptions6(ia[12:])[iaAddr]; len(one) >= 16 {
			t.addr, _ = netip.AddrFromSlice(one[:16])
		}
	}
	if servers := o[dns6]; len(servers) >= 16 {
		t.dns, _ = netip.AddrFromSlice(servers[:16])
	}
	return t
}

// exchange6 sends a message to all servers until it is answered: the guest's
// link-local address takes its time to be there.
func (g guest) exchange6(conn *net.UDPConn, mac net.HardwareAddr, kind, want byte, options []byte) options6 {
	g.t.Helper()
	message := append([]byte{kind, mac[3], mac[4], mac[5]}, options...)
	for range 5 {
		var at *net.UDPAddr
		if err := netns.Do(g.ns, func() (err error) {
			at, err = net.ResolveUDPAddr("udp6", "[ff02::1:2%eth0]:547")
			if err == nil {
				_, err = conn.WriteTo(message, at)
			}
			return err
		}); err != nil {
			time.Sleep(500 * time.Millisecond)
			continue
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			g.t.Fatal(err)
		}
		b := make([]byte, 1500)
		n, err := conn.Read(b)
		if err == nil && n > 4 && b[0] == want && bytes.Equal(b[1:4], message[1:4]) {
			return readOptions6(b[4:n])
		}
	}
	return nil
}

// router is what the kernel of a guest has learnt from advertisements: its way
// out, and what is on the link.
func (g guest) router() string {
	g.t.Helper()
	var got string
	for until := time.Now().Add(6 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		got = testkit.Sh(g.t, "ip", "-n", g.ns, "-6", "route", "show", "dev", "eth0")
		if strings.Contains(got, "default via") {
			break
		}
	}
	return got
}

// TestGuestIsTold6: through the walls a guest learns its router, its address and
// its names by IPv6, and makes up no address; a stranger is told none.
func TestGuestIsTold6(t *testing.T) {
	w := newWorld(t)
	m := w.model(guests) // dmz has all of it, mail no IPv6
	w.converge(m)
	web1, mail1 := w.guest("dmz", "02:00:00:00:00:01"), w.guest("mail", "02:00:00:00:00:02")
	web1.plug("isp-1-0")
	mail1.plug("isp-2-0")
	w.walls(m)

	router := ispctl.BridgeLinkLocal("isp-dmz").String()
	if got := web1.router(); !strings.Contains(got, "default via "+router+" proto ra") || !strings.Contains(got, "2001:db8:10::/64 proto kernel") {
		t.Errorf("its routes:\n%s", got)
	}
	if got := testkit.Sh(t, "ip", "-n", web1.ns, "-6", "-o", "address", "show", "dev", "eth0", "scope", "global"); got != "" {
		t.Errorf("it made itself an address, which cannot pass the wall:\n%s", got)
	}
	if got, want := web1.lease6(), (told6{addr("2001:db8:10::2"), addr("2001:db8:10::1")}); got != want {
		t.Errorf("DHCPv6 tells %v, want %v", got, want)
	}
	testkit.Sh(t, "ip", "-n", web1.ns, "address", "add", "2001:db8:10::2/64", "dev", "eth0", "nodad")
	for _, network := range []string{"udp", "tcp"} {
		for name, want := range map[string]answer{"web1.dmz.internal": "2001:db8:10::2", "mail1.mail.internal": noName} {
			if got := web1.over(network, "2001:db8:10::1", name, dnsmessage.TypeAAAA); got != want {
				t.Errorf("%s over %s: %s, want %s", name, network, got, want)
			}
		}
		if got := web1.over(network, router+"%eth0", "web1.dmz.internal", dnsmessage.TypeAAAA); got != silence {
			t.Errorf("the server answers at the link-local address over %s: %s", network, got)
		}
	}
	if got := web1.ask("2001:db8:10::1", "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.8.b.d.0.1.0.0.2.ip6.arpa", dnsmessage.TypePTR); got != "web1.dmz.internal." {
		t.Errorf("its address is %s", got)
	}
	if got := mail1.lease6(); got != (told6{}) {
		t.Errorf("a zone without IPv6 tells %v", got)
	}
	if got := testkit.Sh(t, "ip", "-n", mail1.ns, "-6", "route", "show", "default"); got != "" {
		t.Errorf("a zone without IPv6 advertises a router:\n%s", got)
	}
	if got := w.guest("dmz", "02:00:00:00:00:99").lease6(); got.addr.IsValid() {
		t.Errorf("a stranger is told %v", got)
	}
}

// TestNextAtTheAddress: a lease of DHCPv6 is gone with its guest, and one made
// before the bridge was made anew keeps nobody out either.
func TestNextAtTheAddress(t *testing.T) {
	w := newWorld(t)
	m := w.model(guests)
	w.converge(m)
	g := w.guest("dmz", "02:00:00:00:00:01")
	if got := g.lease6(); got.addr != addr("2001:db8:10::2") {
		t.Fatalf("before: %v", got)
	}
	for i, vm := range m.VMs {
		if vm.Name == "web1" {
			m.VMs[i] = convergetest.Guest(inst, 9, "web9", "dmz", "10.10.0.2")
			m.VMs[i].NICs[0].Addr6 = addr("2001:db8:10::2")
		}
	}
	m.Sort()
	w.converge(m)
	if got := g.lease6(); got.addr.IsValid() {
		t.Errorf("who is gone is told %v", got)
	}
	testkit.Sh(t, "ip", "-n", g.ns, "link", "set", "eth0", "down") // its link-local address is of its MAC
	g.mac("02:00:00:00:00:09")
	if got := g.lease6(); got.addr != addr("2001:db8:10::2") {
		t.Errorf("the next one is told %v", got)
	}
	testkit.Sh(t, "ip", "link", "delete", "isp-dmz")
	w.converge(m)
	testkit.Sh(t, "ip", "link", "set", g.port, "master", "isp-dmz", "up")
	if got := g.lease6(); got.addr != addr("2001:db8:10::2") {
		t.Errorf("on a bridge that was made anew it is told %v", got)
	}
	if told := g.lease(); told["ip"] != "10.10.0.2" {
		t.Errorf("and by DHCP %v", told)
	}
}
