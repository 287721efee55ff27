package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/converge"
	"ispctl/images"
	"ispctl/internal/cli"
	"ispctl/internal/testkit"
	"ispctl/operations"
	"ispctl/operations/document"
	"ispctl/state"
	"ispctl/templates"
	"ispctl/vm/libvirtd"
	"ispctl/vpn/keys"
)

// insideEnv tells the process that it is in a network namespace of its own.
const insideEnv = "ISPCTL_BENCH_INSIDE"

// TestMain moves the whole process into an empty network namespace, as ispctl
// itself does: a namespace is a thread's, and a pass has several.
func TestMain(m *testing.M) {
	if os.Geteuid() == 0 && os.Getenv(insideEnv) == "" {
		fmt.Fprintln(os.Stderr, "enter a network namespace:", enter())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// enter returns only if it fails.
func enter() error {
	runtime.LockOSThread()
	outside, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY, 0) // stays open
	if err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return unix.Exec(exe, os.Args, append(os.Environ(), insideEnv+"="+strconv.Itoa(outside)))
}

// outside is the network namespace that the benchmarks were started in.
func outside() string { return fmt.Sprintf("/proc/%d/fd/%s", os.Getpid(), os.Getenv(insideEnv)) }

// perZone keeps a bridge below the 1,024 ports that the kernel gives it.
const perZone = 100

// digest names the image that guests on the test driver are made from.
var digest = strings.Repeat("5f", 32)

// key is a public key nobody has the other half of.
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bench"

// inst is the installation of every [host].
var inst = ispctl.Installation{Prefix: ispctl.DefaultPrefix, Hypervisor: "test:///default"}

// host is an installation on libvirt's test driver with a root of its own.
type host struct {
	*operations.Provider
}

// newHost makes a host with an image and nothing else. All that it has is
// removed at the end.
func newHost(tb testing.TB) *host {
	tb.Helper()
	testkit.Need(tb, testkit.Root)
	paths := ispctl.Paths{Root: tb.TempDir()}
	set, err := templates.Load("")
	check(tb, err)
	store, err := state.Open(tb.Context(), inst, paths)
	check(tb, err)
	hypervisor := libvirtd.Open(inst.Hypervisor, paths, inst)
	layers, closeLayers, err := cli.Layers(inst, paths, set, hypervisor, cli.Tunnel{Keys: &keys.Store{Dir: paths.VPNKeys()}})
	check(tb, err)
	h := &host{Provider: &operations.Provider{
		Store: store, Layers: layers, Hypervisor: hypervisor, Images: &images.Store{Dir: paths.Images()}, Templates: set, Paths: paths,
		Actor: "bench", LockWait: time.Minute,
	}}
	tb.Cleanup(func() {
		// The links outlive the root otherwise.
		_, err := converge.Run(context.Background(), layers, &ispctl.Model{Installation: inst, Paths: paths}, converge.Options{AllowMassPrune: true})
		check(tb, err)
		check(tb, closeLayers())
		check(tb, hypervisor.Close())
		check(tb, store.Close())
	})
	h.putImage(tb)
	return h
}

// putImage puts a hollow image into the store: nothing ever reads its disk.
func (h *host) putImage(tb testing.TB) {
	tb.Helper()
	const size = 64 * ispctl.MiB
	check(tb, os.MkdirAll(h.Paths.Image(digest), 0o755))
	check(tb, os.WriteFile(h.Paths.ImageDisk(digest), nil, 0o600))
	check(tb, os.Truncate(h.Paths.ImageDisk(digest), int64(size)))
	_, err := h.Store.Update(tb.Context(), state.Entry{Operation: "bench"}, func(tx *state.Tx) error {
		return tx.PutImage(ispctl.Image{Name: "micro", Digest: digest, Size: size, Cmdline: "root=/dev/vda", Built: time.Now()})
	})
	check(tb, err)
}

// providerDocument is a provider of n VMs as an operator writes it down: a
// zone and an external address for each hundred VMs, a forward to each VM.
func providerDocument(n int) []byte {
	var addresses, zones, vms, forwards strings.Builder
	for z := range (n + perZone - 1) / perZone {
		snat := netip.AddrFrom4([4]byte{198, 51, 100, byte(z + 1)})
		fmt.Fprintf(&addresses, "  - %s\n", snat)
		fmt.Fprintf(&zones, "  - {name: z%d, prefix: 10.%d.0.0/24, snat: %s}\n", z, z+1, snat)
	}
	for i := range n {
		fmt.Fprintf(&vms, "  - {name: vm%d, template: micro, zone: z%d, plan: small, ssh_keys: [%q]}\n", i, i/perZone, key)
		fmt.Fprintf(&forwards, "  - {listen: \"198.51.100.%d:%d/tcp\", to: \"vm%d:22\"}\n", i/perZone+1, 2000+i%perZone, i)
	}
	return []byte("version: 1\nuplink: {interface: up0, kind: routed, address: 203.0.113.2/24, gateway: 203.0.113.1}\naddresses:\n" + addresses.String() +
		"zones:\n" + zones.String() + "plans:\n  - {name: small, cpus: 1, memory: 128MiB, disk: 1GiB}\nvms:\n" + vms.String() +
		"forwards:\n" + forwards.String())
}

// apply brings the host to a provider of n VMs.
func (h *host) apply(tb testing.TB, n int) {
	tb.Helper()
	doc, err := document.Parse("bench.yaml", providerDocument(n))
	check(tb, err)
	_, err = h.Apply(tb.Context(), doc, false, operations.Options{})
	check(tb, err)
}

// converge is one pass, which must find nothing to do.
func (h *host) converge(tb testing.TB) {
	tb.Helper()
	r, err := h.Converge(tb.Context(), operations.Options{}, false)
	check(tb, err)
	if r.Changed() {
		tb.Fatalf("not at rest: %d changes, the first is %s", len(r.Changes), r.Changes[0])
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// tempDir is where a process that writes nothing writes nothing either.
func tempDir(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "tmp")
	check(tb, os.Mkdir(dir, 0o700))
	tb.Setenv("TMPDIR", dir)
	return dir
}
