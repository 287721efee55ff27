package integration

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/operations"
)

const vpnPort = "51820"

// peer is a machine that comes in by the VPN: its packets are in a namespace of
// their own, and its sockets in the Internet's.
type peer struct {
	end
	device *device.Device
	config string
}

var tunDevice = testkit.Feature{Name: "tun", Probe: func() error {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}}

// peer starts a machine by the configuration that ispctl has printed for it.
func (w *world) peer(t testing.TB, name, config string) peer {
	t.Helper()
	testkit.Need(t, tunDevice)
	settings := map[string]string{}
	for line := range strings.Lines(config) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " = "); ok && !strings.HasPrefix(key, "#") {
			settings[key] = value
		}
	}
	address, _, _ := strings.Cut(settings["Address"], "/")
	p := peer{end: end{name, w.provider + "-" + name, address, ""}, config: config}
	if err := netns.Create(p.ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Delete(p.ns); err != nil {
			t.Error(err)
		}
	})
	var link tun.Device
	err := netns.Do(p.ns, func() (err error) { link, err = tun.CreateTUN("wg0", device.DefaultMTU); return err })
	if err != nil {
		t.Fatal(err)
	}
	p.device = device.NewDevice(link, conn.NewStdNetBind(), device.NewLogger(device.LogLevelSilent, ""))
	t.Cleanup(p.device.Close)
	said := []string{"private_key=" + hexKey(t, settings["PrivateKey"]), "public_key=" + hexKey(t, settings["PublicKey"]), "endpoint=" + settings["Endpoint"]}
	if psk := settings["PresharedKey"]; psk != "" {
		said = append(said, "preshared_key="+hexKey(t, psk))
	}
	for net := range strings.SplitSeq(settings["AllowedIPs"], ", ") {
		said = append(said, "allowed_ip="+net)
	}
	if err := errors.Join(p.device.IpcSet(strings.Join(said, "\n")), netns.Do(w.internet, p.device.Up)); err != nil {
		t.Fatalf("%v\n%s", err, config)
	}
	w.in(p.ns, "ip", "address", "add", settings["Address"], "dev", "wg0")
	w.in(p.ns, "ip", "link", "set", "wg0", "up")
	for net := range strings.SplitSeq(settings["AllowedIPs"], ", ") {
		w.in(p.ns, "ip", "route", "add", net, "dev", "wg0")
	}
	return p
}

func hexKey(t testing.TB, text string) string {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != 32 {
		t.Fatalf("no key: %q", text)
	}
	return hex.EncodeToString(key)
}

// soon waits until something is so.
func soon(t testing.TB, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// chat is a connection to a guest's port 7001 that is answered as long as
// packets pass.
func (w *world) chat(t testing.TB, from end, g wiredGuest) net.Conn {
	t.Helper()
	var l net.Listener
	if err := netns.Do(g.ns, func() (err error) { l, err = net.Listen("tcp4", "0.0.0.0:0"); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				buf := make([]byte, 1)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(buf); err != nil {
						return
					}
				}
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	var c net.Conn
	err := netns.Do(from.ns, func() (err error) {
		c, err = net.DialTimeout("tcp4", net.JoinHostPort(g.vm.AdminAddress, port), 30*time.Second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if !talksOn(c, 30*time.Second) {
		t.Fatal("a connection that was let through is not answered")
	}
	return c
}

// talksOn reports whether what is written comes back.
func talksOn(c net.Conn, within time.Duration) bool {
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return false
	}
	if _, err := c.Write([]byte{1}); err != nil {
		return false
	}
	_, err := c.Read(make([]byte, 1))
	return err == nil
}

// vpnPeer is a peer as `vpn status` shows it.
func (w *world) vpnPeer(name string) operations.PeerStatusView {
	w.t.Helper()
	var v operations.VPNView
	w.show(&v, "vpn", "status")
	for _, p := range v.Peers {
		if string(p.Name) == name {
			return p
		}
	}
	w.t.Fatalf("no peer %s in %+v", name, v)
	return operations.PeerStatusView{}
}

// TestVPN: operators' peers reach every leg and the host; one that is disabled,
// has expired or has another key reaches nothing, with what it has open; and
// none of this disturbs the others.
func TestVPN(t *testing.T) {
	w, _, guests := legWorld(t)
	w.ok("vpn", "init", "--listen", vpnPort, "--prefix", "10.9.0.0/24")
	hosts := end{"host", w.provider, "10.9.0.1", ""}
	hosts.serve(t)
	ann := w.peer(t, "ann", w.ok("vpn", "peer", "add", "ann"))
	bob := w.peer(t, "bob", w.ok("vpn", "peer", "add", "bob", "--preshared"))
	for _, from := range []peer{ann, bob} {
		for name, g := range guests {
			for _, service := range services() {
				if !from.reaches(t, end{name, g.ns, g.vm.AdminAddress, ""}, service) {
					t.Errorf("%s does not reach %s on its leg by %s", from.name, name, service)
				}
			}
		}
		for _, service := range services() {
			if !from.reaches(t, hosts, service) {
				t.Errorf("%s does not reach the host by %s", from.name, service)
			}
		}
	}
	if p := w.vpnPeer("bob"); p.Handshake == nil || p.Received == 0 || p.Sent == 0 || !strings.HasPrefix(p.Endpoint, gateway+":") {
		t.Errorf("status of a peer that was here: %+v", p)
	}
	web1 := guests["web1"]
	t.Run("zones stay closed", func(t *testing.T) {
		var tries tries
		for _, to := range []string{web1.vm.Addresses[0], bob.addr, external} {
			w.in(ann.ns, "ip", "route", "replace", to, "dev", "wg0")
			for _, service := range services() {
				tries.add(ann.end, end{to, "", to, ""}, service, false, closed)
			}
		}
		tries.run(t)
	})
	t.Run("guests do not come to peers", func(t *testing.T) {
		var tries tries
		w.in(web1.ns, "ip", "route", "replace", ann.addr, "via", first(web1.vm.AdminAddress), "dev", "eth1", "src", web1.vm.AdminAddress, "onlink")
		for _, service := range services() {
			tries.add(end{"web1", web1.ns, "", ""}, end{"ann", "", ann.addr, ""}, service, false, closed)
		}
		tries.run(t)
	})

	bobs, anns := w.chat(t, bob.end, web1), w.chat(t, ann.end, web1)
	shut := func(what string, p peer, c net.Conn) {
		t.Helper()
		if talksOn(c, 2*time.Second) {
			t.Errorf("%s: an open connection goes on", what)
		}
		if p.reaches(t, end{"web1", web1.ns, web1.vm.AdminAddress, ""}, "icmp") || p.reaches(t, hosts, "icmp") {
			t.Errorf("%s: it reaches somebody", what)
		}
		if !talksOn(bobs, 30*time.Second) {
			t.Errorf("%s: another peer's connection has ended", what)
		}
	}
	w.ok("vpn", "peer", "disable", "ann")
	shut("disabled", ann, anns)
	w.ok("vpn", "peer", "enable", "ann")
	soon(t, "ann is back", func() bool { return ann.reaches(t, hosts, "icmp") })
	anns = w.chat(t, ann.end, web1)

	rotated := w.ok("vpn", "peer", "rotate", "ann")
	shut("rotated", ann, anns)
	ann.device.Close()
	again := w.peer(t, "ann2", rotated)
	soon(t, "ann is back by its new key", func() bool { return again.reaches(t, hosts, "icmp") })

	// Time passes with nothing of ours at work, but the device.
	expiring := w.peer(t, "eve", w.ok("vpn", "peer", "add", "eve", "--expires", "1h"))
	soon(t, "eve is in", func() bool { return expiring.reaches(t, hosts, "icmp") })
	eves := w.chat(t, expiring.end, web1)
	w.ok("vpn", "peer", "set", "eve", "--expires", "3s")
	expires := *w.vpnPeer("eve").Expires
	for time.Now().Before(expires) {
		time.Sleep(100 * time.Millisecond)
	}
	shut("expired", expiring, eves)
	if late := time.Since(expires); late > 30*time.Second {
		t.Logf("the machine is busy: what was tried took %s", late)
	}
	w.ok("converge")
	if p := w.vpnPeer("eve"); p.State != "expired" || p.Received != 0 {
		t.Errorf("after a pass the device still knows who has expired: %+v", p)
	}

	t.Run("device outlives its starter and comes again", func(t *testing.T) {
		pids := w.devicePIDs()
		if len(pids) > 1 {
			t.Fatalf("%d devices", len(pids))
		}
		for _, pid := range pids { // the kernel's own has none
			testkit.Sh(t, "kill", "-9", fmt.Sprint(pid))
		}
		soon(t, "its link is gone", func() bool { return len(pids) == 0 || w.run("vpn", "status").code == 0 && w.status().Device == "" })
		w.ok("converge")
		soon(t, "peers are back", func() bool { return bob.reaches(t, hosts, "icmp") && again.reaches(t, hosts, "icmp") })
	})
	w.ok("vpn", "remove", "--yes")
	if pids := w.devicePIDs(); len(pids) > 0 {
		t.Errorf("a device is left: %v", pids)
	}
	if again.reaches(t, hosts, "icmp") {
		t.Error("a peer reaches the host when there is no VPN")
	}
	if out := w.in(w.provider, "ip", "-br", "link"); strings.Contains(out, "0vpn") {
		t.Errorf("a link is left:\n%s", out)
	}
	if left, _ := os.ReadDir(w.root + "/var/lib/ispctl/vpn"); len(left) > 0 {
		t.Errorf("keys are left: %v", left)
	}
}

func (w *world) status() (v operations.VPNView) {
	w.show(&v, "vpn", "status")
	return v
}

// devicePIDs are the processes that stand in for a kernel without WireGuard.
func (w *world) devicePIDs() []int {
	var some []int
	for _, pid := range w.pids(w.provider) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.Contains(string(line), "\x00vpn-device\x00") {
			some = append(some, pid)
		}
	}
	return some
}

// TestTenantsPeer tries every TCP and UDP port of everybody as a tenant's peer:
// what is let on is all of that tenant's VM by its leg, and of the host what is
// listed.
func TestTenantsPeer(t *testing.T) {
	testkit.Long(t, "2 min")
	w, _, guests := legWorld(t)
	w.ok("tenant", "create", "acme")
	w.ok("tenant", "create", "other")
	w.ok("vm", "set", "web1", "--tenant", "acme")
	w.ok("vm", "set", "web2", "--tenant", "other")
	w.ok("vpn", "init", "--listen", vpnPort, "--prefix", "10.9.0.0/24", "--service", "2222/tcp")
	p := w.peer(t, "acme", w.ok("vpn", "peer", "add", "acme", "--tenant", "acme"))
	other := w.peer(t, "other", w.ok("vpn", "peer", "add", "other", "--tenant", "other"))
	own, strange := guests["web1"].vm, guests["web2"].vm
	w.in(w.provider, "nft", "-f", w.write("oracle.nft", vpnOracle))
	for _, to := range []struct {
		name, addr string
		onward     int // ports that a packet goes on to
		host       int // ports that it comes to the host at
	}{
		{"its own VM", own.AdminAddress, 2 * everyPort, 0},
		{"another tenant's VM", strange.AdminAddress, 0, 0},
		{"the host in the VPN", "10.9.0.1", 0, 1},
	} {
		w.in(w.provider, "nft", "delete", "table", "inet", "oracle")
		w.in(w.provider, "nft", "-f", w.root+"/oracle.nft")
		w.everyPortOf(t, p, to.addr)
		if n := len(w.notedPorts(t, "onward")); n != to.onward {
			t.Errorf("%s: packets to %d ports go on, not to %d", to.name, n, to.onward)
		}
		if at := w.notedPorts(t, "host"); len(at) != to.host || to.host == 1 && at[0] != "tcp 2222" {
			t.Errorf("%s: packets come to the host at %s", to.name, some(at))
		}
	}
	// A port of each kind at whatever else there is.
	var tries tries
	for _, to := range []string{guests["mail1"].vm.AdminAddress, own.Addresses[0], first(own.AdminAddress), host, external, other.addr, gateway} {
		w.in(p.ns, "ip", "route", "replace", to, "dev", "wg0")
		for _, service := range services() {
			tries.add(p.end, end{to, "", to, ""}, service, false, closed)
		}
	}
	tries.run(t)
	soon(t, "ping goes as TCP and UDP do", func() bool { return p.reaches(t, end{"web1", "", own.AdminAddress, ""}, "icmp") })
	if p.reaches(t, end{"web2", "", strange.AdminAddress, ""}, "icmp") {
		t.Error("ping goes where TCP and UDP do not")
	}
	// A VM that changes hands is lost to one and the other's at once.
	chat := w.chat(t, p.end, guests["web1"])
	w.ok("vm", "set", "web1", "--tenant", "other")
	if talksOn(chat, 2*time.Second) || p.reaches(t, end{"web1", "", own.AdminAddress, ""}, "icmp") {
		t.Error("who had the VM before still reaches it")
	}
	soon(t, "who has it now reaches it", func() bool { return other.reaches(t, end{"web1", "", own.AdminAddress, ""}, "icmp") })
	w.fails(5, "peer acme", "tenant", "delete", "acme")
	// Shut out, it is so by the time that the command is done, and by the clock alone.
	shut := func(what string) {
		t.Helper()
		if talksOn(chat, 2*time.Second) || other.reaches(t, end{"web1", "", own.AdminAddress, ""}, "icmp") {
			t.Errorf("%s, it reaches somebody", what)
		}
	}
	chat = w.chat(t, other.end, guests["web1"])
	w.ok("vpn", "peer", "disable", "other")
	shut("disabled")
	w.ok("vpn", "peer", "enable", "other")
	soon(t, "it is back", func() bool { return other.reaches(t, end{"web1", "", own.AdminAddress, ""}, "icmp") })
	chat = w.chat(t, other.end, guests["web1"])
	w.ok("vpn", "peer", "set", "other", "--expires", "5s")
	time.Sleep(time.Until(*w.vpnPeer("other").Expires) + 100*time.Millisecond)
	shut("expired")
}

// vpnOracle notes what comes in by the VPN before anybody judges it, and what is
// left after everybody has.
const vpnOracle = `table inet oracle {
	set came { type inet_proto . inet_service; flags dynamic; size 200000; }
	set onward { type inet_proto . inet_service; flags dynamic; size 200000; }
	set host { type inet_proto . inet_service; flags dynamic; size 200000; }
	chain first { type filter hook prerouting priority -1000; iifname "isp-0vpn" meta l4proto { tcp, udp } add @came { meta l4proto . th dport }; }
	chain on { type filter hook forward priority 1000; iifname "isp-0vpn" meta l4proto { tcp, udp } add @onward { meta l4proto . th dport }; }
	chain in { type filter hook input priority 1000; iifname "isp-0vpn" meta l4proto { tcp, udp } add @host { meta l4proto . th dport }; }
}`

// notedPorts is what a set of the oracle has seen, as "protocol port".
func (w *world) notedPorts(t testing.TB, set string) []string {
	t.Helper()
	var listing struct {
		Nftables []struct {
			Set *struct {
				Elem []struct{ Concat []any }
			}
		}
	}
	if err := json.Unmarshal([]byte(w.in(w.provider, "nft", "-j", "list", "set", "inet", "oracle", set)), &listing); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, one := range listing.Nftables {
		if one.Set != nil {
			for _, e := range one.Set.Elem {
				all = append(all, strings.TrimSpace(fmt.Sprintln(e.Concat...)))
			}
		}
	}
	return all
}

// everyPortOf sends a packet to every TCP and UDP port of an address, and again
// to those that did not come to the host: a full queue loses some.
func (w *world) everyPortOf(t testing.TB, p peer, to string) {
	t.Helper()
	var fd int
	err := netns.Do(p.ns, func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written to a file
	for range 20 {
		came := map[string]bool{}
		for _, port := range w.notedPorts(t, "came") {
			came[port] = true
		}
		if len(came) == 2*everyPort {
			return
		}
		sent := 0
		for name, proto := range map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP} {
			for port := 1; port <= everyPort; port++ {
				if came[fmt.Sprintf("%s %d", name, port)] {
					continue
				}
				if err := unix.Sendto(fd, packetTo(proto, p.addr, to, uint16(port)), 0, &unix.SockaddrInet4{Addr: [4]byte(ip(to))}); err != nil {
					t.Fatal(err)
				}
				if sent++; sent%256 == 0 {
					time.Sleep(5 * time.Millisecond)
				}
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatalf("packets to %s are lost on the way again and again", to)
}

// packetTo is a SYN or a datagram.
func packetTo(proto byte, from, to string, port uint16) []byte {
	payload, sumAt := slices.Concat(short(40000), short(port), short(8), short(0)), 6
	if proto == unix.IPPROTO_TCP {
		payload, sumAt = slices.Concat(short(40000), short(port), make([]byte, 8), []byte{0x50, 2}, short(64240), short(0), short(0)), 16
	}
	src, dst := ip(from), ip(to)
	c := ^fold(sum(src) + sum(dst) + uint32(proto) + uint32(len(payload)) + sum(payload))
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(payload[sumAt:], c)
	return slices.Concat(header4(proto, from, to, len(payload)), payload)
}
