package firewall_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/testkit"
	"ispctl/net/bridge"
)

// cable is a wire whose zone is on a trunk, and the provider's switch at the
// other end of the trunk: what we put on it, and what comes out there.
type cable struct {
	*wire
	far int // packet socket at the switch's end
}

const trunkName, farEnd = "eth0", "switch"

// newCable makes the same wire as newWire, on a trunk.
func newCable(t *testing.T, change func(*ispctl.Model)) *cable {
	t.Helper()
	testkit.Need(t, testkit.VLAN, testkit.VLANFiltering)
	w := newWire(t, 1)
	testkit.Sh(t, "ip", "link", "add", trunkName, "type", "veth", "peer", "name", farEnd)
	for _, end := range []string{trunkName, farEnd} {
		check(t, silence(end))
		testkit.Sh(t, "ip", "link", "set", end, "up")
	}
	w.model = model(0)
	change(w.model)
	check(t, w.model.Zones[0].Validate())
	links, err := bridge.Open(w.model.Installation.LinkGroup())
	check(t, err)
	t.Cleanup(links.Close)
	want, err := bridge.Desired(w.model)
	check(t, err)
	have, err := links.Observe(context.Background())
	check(t, err)
	check(t, links.Apply(context.Background(), bridge.Diff(want, have)))
	w.build(t)
	c := &cable{w, listen(t, farEnd)}
	check(t, unix.SetsockoptInt(c.far, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1))
	return c
}

// silence keeps an end of the cable from saying anything of its own.
func silence(link string) error {
	fd, err := unix.Open("/proc/sys/net/ipv6/conf/"+link+"/disable_ipv6", unix.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // of a test
	_, err = unix.Write(fd, []byte("1"))
	return err
}

// arrived is what came out at the switch: the tag (0: none) and whether what is
// inside is another one, for each frame from the guest with that MAC.
func (c *cable) arrived(t *testing.T, from net.HardwareAddr) []string {
	t.Helper()
	time.Sleep(20 * time.Millisecond) // nothing else says that a frame did not come
	var all []string
	buf, oob := make([]byte, 1<<16), make([]byte, 128)
	for {
		n, oobn, _, who, err := unix.Recvmsg(c.far, buf, oob, 0)
		if err != nil {
			return all
		}
		if ll, ok := who.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING || n < 14 || !slices.Equal(buf[6:12], from) {
			continue
		}
		tag := 0
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		check(t, err)
		for _, m := range messages {
			// struct tpacket_auxdata of linux/if_packet.h
			if m.Header.Type == unix.PACKET_AUXDATA && binary.NativeEndian.Uint32(m.Data)&unix.TP_STATUS_VLAN_VALID != 0 {
				tag = int(binary.NativeEndian.Uint16(m.Data[16:]))
			}
		}
		all = append(all, fmt.Sprintf("%d/%#04x", tag, binary.BigEndian.Uint16(buf[12:])))
	}
}

// inject sends a frame from the switch and reports whether the guest got it.
func (c *cable) inject(t *testing.T, frame []byte, to string) bool {
	t.Helper()
	c.drain()
	_, err := unix.Write(c.far, frame)
	check(t, err)
	time.Sleep(20 * time.Millisecond)
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(c.taps[to], buf)
		if err != nil {
			return false
		}
		if n > vnetHeader+12 && slices.Equal(buf[vnetHeader+6:vnetHeader+12], farMAC) {
			return true
		}
	}
}

var farMAC = hw("02:00:00:00:0f:01")

// TestZoneGoesOnAsVLAN: guests and machines beyond the trunk are one zone, and
// what is not of it stays where it is.
func TestZoneGoesOnAsVLAN(t *testing.T) {
	c := newCable(t, func(m *ispctl.Model) { m.Zones[0].Trunk, m.Zones[0].VLAN = trunkName, 10 })
	fromWeb := []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"ARP to all", arp{}.frame(), "[10/0x0806]"},
		{"to a machine beyond", ip4{dst: farMAC, proto: 17, payload: udp(1, 2)}.frame(), "[10/0x0800]"},
		{"forged", ip4{dst: farMAC, from: ip("198.51.100.9"), proto: 17, payload: udp(1, 2)}.frame(), "[]"},
		{"with a tag", tagged(ip4{dst: farMAC, proto: 17, payload: udp(1, 2)}.frame(), vlanType, 20), "[]"},
		{"with a tag in a tag", tagged(ip4{dst: farMAC, proto: 17, payload: udp(1, 2)}.frame(), vlanType, 10, vlanType, 20), "[]"},
		{"STP", eth(hw("01:80:c2:00:00:00"), webMAC, 38, make([]byte, 46)), "[]"},
	}
	for _, f := range fromWeb {
		c.arrived(t, webMAC)
		check(t, c.send(web, f.bytes))
		if got := fmt.Sprint(c.arrived(t, webMAC)); got != f.want {
			t.Errorf("%s: at the switch %s, want %s", f.name, got, f.want)
		}
	}
	there := ip4{src: farMAC, dst: webMAC, from: ip("10.10.9.9"), to: webAddr, proto: 17, payload: udp(1, 2)}
	bootp := append([]byte{2, 1, 6, 0}, make([]byte, 240)...)
	offer := ip4{src: farMAC, dst: toAll, from: ip("10.10.9.9"), to: ip("255.255.255.255"), proto: 17, payload: udp(67, 68, bootp...)}.frame()
	question := arp{src: farMAC, senderMAC: farMAC, sender: ip("10.10.9.9"), target: webAddr}.frame()
	gateway := arp{src: farMAC, senderMAC: farMAC, sender: gatewayAddr, target: webAddr}.frame()
	advert := ip6{src: farMAC, from: ip("fe80::9"), to: ip("ff02::1"), hops: 255, next: 58, payload: icmp(134, 0, make([]byte, 12)...)}.frame()
	for _, f := range []struct {
		name  string
		bytes []byte
		want  bool
	}{
		{"ARP in the VLAN", tagged(question, vlanType, 10), true},
		{"IPv4 in the VLAN", tagged(there.frame(), vlanType, 10), true},
		{"untagged", question, false},
		{"VLAN 1", tagged(question, vlanType, 1), false},
		{"another VLAN", tagged(question, vlanType, 20), false},
		{"a tag in the tag", tagged(question, vlanType, 10, vlanType, 10), false},
		{"a tag in a service tag", tagged(question, qinqType, 10, vlanType, 10), false},
		{"STP in the VLAN", tagged(eth(hw("01:80:c2:00:00:00"), farMAC, 38, make([]byte, 46)), vlanType, 10), false},
		{"LLDP in the VLAN", tagged(eth(hw("01:80:c2:00:00:0e"), farMAC, 0x88cc, make([]byte, 46)), vlanType, 10), false},
		{"as the gateway", tagged(gateway, vlanType, 10), false},
		{"DHCP offer", tagged(offer, vlanType, 10), false},
		{"router advertisement", tagged(advert, vlanType, 10), false},
	} {
		if got := c.inject(t, f.bytes, web); got != f.want {
			t.Errorf("from the switch, %s: reached the guest %t, want %t", f.name, got, f.want)
		}
	}
}

// TestGuestsTakePartInVLANs: tags go through for those who have them, and
// untagged frames never.
func TestGuestsTakePartInVLANs(t *testing.T) {
	c := newCable(t, func(m *ispctl.Model) {
		m.Zones[0].Trunk = trunkName
		m.VMs[0].NICs[0].Tags = []int{10, 20}
		m.VMs[1].NICs[0].Tags = []int{20}
	})
	inside := ip4{from: ip("192.168.7.7"), to: ip("192.168.7.8"), dst: farMAC, proto: 17, payload: udp(1, 2)}.frame()
	for _, f := range []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"in its VLAN", tagged(inside, vlanType, 10), "[10/0x0800]"},
		{"in its other VLAN", tagged(inside, vlanType, 20), "[20/0x0800]"},
		{"in none of its VLANs", tagged(inside, vlanType, 30), "[]"},
		{"VLAN 1", tagged(inside, vlanType, 1), "[]"},
		{"the VLAN of untagged frames", tagged(inside, vlanType, 4094), "[]"},
		{"a tag in the tag", tagged(inside, vlanType, 10, vlanType, 20), "[]"},
		{"untagged, legitimate", arp{}.frame(), "[]"},
	} {
		c.arrived(t, webMAC)
		check(t, c.send(web, f.bytes))
		if got := fmt.Sprint(c.arrived(t, webMAC)); got != f.want {
			t.Errorf("%s: at the switch %s, want %s", f.name, got, f.want)
		}
	}
	if c.passed(t, web, arp{}.frame()) == nil {
		t.Error("untagged, guests of the zone do not see each other any more")
	}
	question := arp{src: farMAC, senderMAC: farMAC, sender: ip("192.168.7.9"), target: ip("192.168.7.7")}.frame()
	for _, f := range []struct {
		name  string
		bytes []byte
		to    string
		want  bool
	}{
		{"VLAN 10 to who has it", tagged(question, vlanType, 10), web, true},
		{"VLAN 10 to who has not", tagged(question, vlanType, 10), neighbour, false},
		{"VLAN 20 to the one", tagged(question, vlanType, 20), web, true},
		{"VLAN 20 to the other", tagged(question, vlanType, 20), neighbour, true},
		{"VLAN 20 to who has none", tagged(question, vlanType, 20), six, false},
		{"VLAN 30", tagged(question, vlanType, 30), web, false},
		{"VLAN 1", tagged(question, vlanType, 1), web, false},
		{"VLAN 4094", tagged(question, vlanType, 4094), web, false},
		{"untagged", question, web, false},
		{"a tag in the tag", tagged(question, vlanType, 20, vlanType, 10), web, false},
	} {
		if got := c.inject(t, f.bytes, f.to); got != f.want {
			t.Errorf("from the switch, %s: reached %s %t, want %t", f.name, f.to, got, f.want)
		}
	}
}
