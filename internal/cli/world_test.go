package cli_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/cli"
	"ispctl/internal/config"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/state"
	"ispctl/vpn/keys"
)

// inst has no namespace of its own, so that a command runs in the one of its
// caller and is not started over.
var inst = ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}

var image = strings.Repeat("5f", 32)

// world is an installation with a fixed database: two zones, two VMs, one of
// them with a fault, and one of all else.
func world(t *testing.T) (root string) {
	t.Helper()
	t.Setenv(cli.RootEnv, "") // nobody's but ours
	root = t.TempDir()
	paths := ispctl.Paths{Root: root}
	check(t, config.Save(paths, inst))
	s, err := state.Open(t.Context(), inst, paths)
	check(t, err)
	var web ispctl.VM
	_, err = s.Update(t.Context(), state.Entry{Actor: "test", Operation: "test"}, func(tx *state.Tx) error {
		dmz := ispctl.Zone{Name: "dmz", Prefix: netip.MustParsePrefix("10.10.0.0/24"), SNAT: netip.MustParseAddr("203.0.113.10"), Egress: true}
		check(t, tx.PutUplink(ispctl.Uplink{
			Interface: "up0", Kind: ispctl.Routed,
			Address: netip.MustParsePrefix("203.0.113.2/24"), Gateway: netip.MustParseAddr("203.0.113.1"),
		}))
		check(t, tx.SetHostServices([]ispctl.Service{{Port: 22, Proto: ispctl.TCP}}))
		check(t, tx.PutAddress(ispctl.Address{Addr: dmz.SNAT}))
		check(t, tx.PutZone(dmz))
		check(t, tx.PutZone(ispctl.Zone{Name: "mail", Prefix: netip.MustParsePrefix("10.20.0.0/24"), VLAN: 20}))
		check(t, tx.PutPlan(ispctl.Plan{Name: "small", CPUs: 2, Memory: 512 * ispctl.MiB, Disk: 4 * ispctl.GiB}))
		check(t, tx.PutImage(ispctl.Image{
			Name: "micro", Digest: image, Size: 64 * ispctl.MiB, Cmdline: "root=/dev/vda", Built: time.Unix(1e9, 0),
		}))
		check(t, tx.PutTenant(ispctl.Tenant{
			Name: "acme", Title: "Acme Ltd", Contact: "ops@acme.example", Share: ispctl.Share{VMs: 3, Memory: 8 * ispctl.GiB},
			Keys: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f alice@laptop"},
		}))
		acmes := guest("web1", "dmz", "10.10.0.2", 1)
		acmes.Tenant = "acme"
		web, err = tx.InsertVM(acmes)
		check(t, err)
		_, err = tx.InsertVM(guest("mail1", "mail", "10.20.0.2", 2))
		check(t, err)
		check(t, putVPN(tx, paths))
		return tx.PutForward(ispctl.Forward{Listen: listen(t, "203.0.113.10:2222/tcp"), VM: "web1", Port: 22})
	})
	check(t, err)
	check(t, s.Record(t.Context(), []state.Status{{Object: "vm mail1", Error: "its disk is full", At: time.Unix(1e9, 0)}},
		map[int64][]state.Phase{web.ID: {
			{Name: "reserved", At: web.Created}, {Name: "disk", At: web.Created.Add(10 * time.Millisecond)}, {Name: "boot", At: web.Created.Add(1500 * time.Millisecond)},
		}}))
	check(t, s.Close())
	check(t, os.MkdirAll(paths.Image(image), 0o755))
	check(t, os.WriteFile(paths.ImageDisk(image), nil, 0o600))
	return root
}

// worldThatConverges is the same without a VPN: where the kernel has none its
// device is a process of the program, and a test's binary is no such program.
func worldThatConverges(t *testing.T) (root string) {
	t.Helper()
	root = world(t)
	s, err := state.Open(t.Context(), inst, ispctl.Paths{Root: root})
	check(t, err)
	_, err = s.Update(t.Context(), state.Entry{Actor: "test", Operation: "test"}, func(tx *state.Tx) error { return tx.DeleteVPN() })
	check(t, err)
	check(t, s.Close())
	return root
}

// putVPN makes a VPN with a peer; the key is nobody's.
func putVPN(tx *state.Tx, paths ispctl.Paths) error {
	store := &keys.Store{Dir: paths.VPNKeys()}
	private := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	pair, err := keys.ParsePrivate(private)
	return errors.Join(err, os.MkdirAll(store.Dir, 0o700), os.WriteFile(store.PrivateFile(), []byte(private), 0o600),
		tx.PutVPN(ispctl.VPN{Port: 51820, Prefix: netip.MustParsePrefix("10.9.0.0/24"), PublicKey: pair.Public}),
		tx.PutPeer(ispctl.Peer{
			Name: "ann", Role: ispctl.OperatorPeer, PublicKey: convergetest.PublicKey(2), Addr: netip.MustParseAddr("10.9.0.2"),
			Expires: time.Unix(4e9, 0), Created: time.Unix(1e9, 0),
		}))
}

func guest(name, zone, addr string, n byte) ispctl.VM {
	digit := string('0' + rune(n))
	return ispctl.VM{
		UUID: strings.Repeat(digit, 8) + "-0000-4000-8000-000000000000", Name: ispctl.Name(name), Zone: ispctl.Name(zone),
		Plan: "small", Template: "micro", Image: image, Wanted: ispctl.Running,
		NICs: []ispctl.NIC{{Zone: ispctl.Name(zone), MAC: "02:00:00:00:00:0" + digit, Addr: netip.MustParseAddr(addr)}},
	}
}

func listen(t *testing.T, s string) ispctl.Listen {
	t.Helper()
	l, err := ispctl.ParseListen(s)
	check(t, err)
	return l
}

// result is what a command line came to.
type result struct {
	out, err string
	code     int
}

// run runs a command line in this process; its standard input is empty.
func run(t *testing.T, root string, args ...string) result {
	t.Helper()
	return runWith(t, root, streams(), args...)
}

func streams() cli.Streams { return cli.Streams{In: strings.NewReader("")} }

func runWith(t *testing.T, root string, s cli.Streams, args ...string) result {
	t.Helper()
	var out, stderr bytes.Buffer
	s.Out, s.Err = &out, &stderr
	code := cli.Run(t.Context(), append([]string{"--root", root}, args...), s)
	return result{out.String(), stderr.String(), code}
}

// ok runs a command line that must succeed, and returns what it printed.
func ok(t *testing.T, root string, args ...string) string {
	t.Helper()
	r := run(t, root, args...)
	if r.code != 0 {
		t.Fatalf("ispctl %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// reading gives a test what commands need that only look: the layers are opened
// with it, and the network is an empty one.
func reading(t *testing.T) {
	t.Helper()
	testkit.NetNS(t)
}

// program is a feature: one that can be run.
func program(name string) testkit.Feature {
	return testkit.Feature{Name: name, Probe: func() error {
		_, err := exec.LookPath(name)
		return err
	}}
}

// write puts text into a file of the test.
func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

var times = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)

// steady is text without what differs from run to run.
func steady(text, root string) string {
	return strings.ReplaceAll(times.ReplaceAllString(text, "TIME"), root, "ROOT")
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
