package bench

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/internal/testkit"
	"ispctl/operations"
	"ispctl/vpn"
	"ispctl/vpn/keys"
)

// BenchmarkPeers is 1,000 peers told to WireGuard at once, and one more beside
// them (goal P19): each the look at the device, what is to be changed, and the
// change.
func BenchmarkPeers(b *testing.B) {
	testkit.Need(b, testkit.Root)
	const n = 1000
	paths := ispctl.Paths{Root: b.TempDir()}
	ctx, end := context.WithCancel(b.Context())
	served := make(chan error, 1)
	k, err := vpn.Open(inst, paths, func(context.Context) error {
		ready := make(chan struct{})
		go func() {
			served <- vpn.Serve(ctx, inst, paths.VPNSocket(), io.Discard, func() error { close(ready); return nil })
		}()
		select {
		case <-ready:
			return nil
		case err := <-served:
			return err
		}
	})
	check(b, err)
	b.Cleanup(func() {
		end()
		check(b, <-served)
		check(b, k.Close())
	})
	store := &keys.Store{Dir: paths.VPNKeys()}
	host, err := store.MakeHost()
	check(b, err)
	m := &ispctl.Model{Installation: inst, Paths: paths, VPN: ispctl.VPN{Port: 51820, Prefix: netip.MustParsePrefix("10.9.0.0/20"), PublicKey: host.Public}}
	addr := m.VPN.Gateway()
	peer := func(i int) ispctl.Peer {
		var key wgtypes.Key
		binary.BigEndian.PutUint32(key[4:], uint32(i)+1)
		key[9] = 9
		addr = addr.Next()
		return ispctl.Peer{Name: ispctl.Name(fmt.Sprintf("p%d", i)), Role: ispctl.OperatorPeer, PublicKey: ispctl.PublicKey(key.String()), Addr: addr}
	}
	var all []ispctl.Peer
	for i := range n {
		all = append(all, peer(i))
	}
	more := peer(n)
	become := func(peers []ispctl.Peer) time.Duration {
		m.VPN.Peers = peers
		return timed(func() {
			want, err := vpn.Desired(store)(m)
			check(b, err)
			have, err := k.Observe(ctx)
			check(b, err)
			check(b, k.Apply(ctx, vpn.Diff(want, have)))
		})
	}
	become(nil) // the device is there before its peers
	var thousand, one []time.Duration
	for b.Loop() {
		thousand = append(thousand, become(all))
		one = append(one, become(append(all[:n:n], more)))
		if have, err := k.Observe(ctx); err != nil || have.Len() != n+2 {
			b.Fatalf("%d objects, %v", have.Len(), err)
		}
		become(nil)
	}
	reportMedian(b, thousand, "all-ms")
	reportMedian(b, one, "one-more-ms")
	b.ReportMetric(0, "ns/op") // the medians say it
}

// BenchmarkTunnel is TCP through the program's device, with its walls, and through
// stock wireguard-go of the same version, in turn, to the same other end: a stock
// device as well.
func BenchmarkTunnel(b *testing.B) {
	p := newProgram(b)
	stock := filepath.Join(p.root, "wireguard-go")
	testkit.Sh(b, "go", "build", "-o", stock, "golang.zx2c4.com/wireguard")
	away := fmt.Sprintf("ispb-%d", os.Getpid())
	check(b, netns.Create(away))
	b.Cleanup(func() { check(b, netns.Delete(away)) })
	testkit.Sh(b, "ip", "link", "set", "inet0", "netns", away)
	testkit.Sh(b, "ip", "-n", away, "address", "add", "203.0.113.1/24", "dev", "inet0")
	testkit.Sh(b, "ip", "-n", away, "link", "set", "inet0", "up")
	const port = "5001"
	p.ok(b, "init", "--hypervisor", "test:///default", "--uplink", "eth0", "--address", "203.0.113.2/24", "--gateway", "203.0.113.1", "--host-service", port+"/tcp", "--host-service", "51821/udp")
	p.ok(b, "vpn", "init", "--listen", "51820", "--prefix", "10.9.0.0/24")
	b.Cleanup(func() { p.ok(b, "vpn", "remove", "--yes") })
	client, server := newKey(b), newKey(b)
	p.ok(b, "vpn", "peer", "add", "ann", "--public-key", client.PublicKey().String())
	var v operations.VPNView
	check(b, json.Unmarshal([]byte(p.ok(b, "vpn", "status", "-o", "json")), &v))
	if v.Device != "userspace" {
		b.Skip("the kernel has WireGuard")
	}
	far := func(device, key, address, endpoint string) {
		p.stockTunnel(b, away, stock, device, client, address, "peer", key, "endpoint", endpoint, "allowed-ips", "0.0.0.0/0", "persistent-keepalive", "5")
	}
	p.stockTunnel(b, "", stock, "wgstock", server, "10.8.0.1/24", "listen-port", "51821", "peer", client.PublicKey().String(), "allowed-ips", "10.8.0.2/32")
	far("wg0", string(v.PublicKey), "10.9.0.2/24", "203.0.113.2:51820")
	far("wg1", server.PublicKey().String(), "10.8.0.2/24", "203.0.113.2:51821")
	var rates [2][2][]float64 // ours and theirs, in and out
	for b.Loop() {
		for whose, at := range []string{"10.9.0.1:" + port, "10.8.0.1:" + port} {
			for way := range 2 {
				rates[whose][way] = append(rates[whose][way], through(b, away, at, way == 0))
			}
		}
	}
	for whose, name := range []string{"ours", "stock"} {
		for way, direction := range []string{"in", "out"} {
			b.ReportMetric(medianOf(rates[whose][way]), name+"-"+direction+"-Mbit/s")
		}
	}
	b.ReportMetric(0, "ns/op")
}

func newKey(b *testing.B) wgtypes.Key {
	b.Helper()
	key, err := wgtypes.GeneratePrivateKey()
	check(b, err)
	return key
}

// stockTunnel runs a stock device until the end. Its socket is in a directory that it
// has fixed, so that is one of its own.
func (p program) stockTunnel(b *testing.B, ns, program, device string, key wgtypes.Key, address string, settings ...string) {
	b.Helper()
	file := filepath.Join(p.root, device+".key")
	check(b, os.WriteFile(file, []byte(key.String()), 0o600))
	const script = `set -e
mount -t tmpfs own /run
mkdir /run/wireguard
program=$1 device=$2 key=$3 address=$4
shift 4
"$program" -f "$device" >/dev/null 2>&1 &
pid=$!
trap 'kill $pid' TERM
until [ -S "/run/wireguard/$device.sock" ]; do sleep 0.05; done
wg set "$device" private-key "$key" "$@"
ip address add "$address" dev "$device"
ip link set "$device" mtu 1420 up
echo ready
wait`
	args := append([]string{"unshare", "-m", "bash", "-c", script, "stock", program, device, file, address}, settings...)
	if ns != "" {
		args = append([]string{"ip", "netns", "exec", ns}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	out, err := cmd.StdoutPipe()
	check(b, err)
	cmd.Stderr = os.Stderr
	check(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = cmd.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, len("ready"))); err != nil {
		b.Fatalf("stock device %s: %v", device, err)
	}
}

// through is what passes in two seconds from the other end to us, or to it, in
// Mbit/s.
func through(b *testing.B, away, at string, in bool) float64 {
	b.Helper()
	l, err := net.Listen("tcp", at)
	check(b, err)
	defer l.Close() //nolint:errcheck // a test
	var far net.Conn
	check(b, netns.Do(away, func() error {
		far, err = net.DialTimeout("tcp", at, time.Minute)
		return err
	}))
	near, err := l.Accept()
	check(b, err)
	from, to := near, far
	if in {
		from, to = far, near
	}
	go func() {
		for buf := make([]byte, 1<<17); ; {
			if _, err := from.Write(buf); err != nil {
				return
			}
		}
	}()
	time.Sleep(300 * time.Millisecond) // until it is in full flow
	const lasts = 2 * time.Second
	var sum int64
	began := time.Now()
	check(b, to.SetReadDeadline(began.Add(lasts)))
	for buf := make([]byte, 1<<17); ; {
		n, err := to.Read(buf)
		sum += int64(n)
		if err != nil {
			break
		}
	}
	took := time.Since(began)
	_, _ = from.Close(), to.Close()
	return float64(sum*8) / 1e6 / took.Seconds()
}

func medianOf(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)/2]
}
