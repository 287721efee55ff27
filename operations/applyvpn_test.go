package operations_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/operations"
	"ispctl/operations/document"
)

// Public keys of nobody's.
const (
	key1 = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
	key2 = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
	key3 = "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="
)

const tunnel = `version: 1
tenants:
  - {name: acme}
vpn:
  listen: 51820
  prefix: 10.9.0.0/29
  endpoint: vpn.example.com
  services: [2222/tcp]
  peers:
    - {name: bob, public_key: "` + key1 + `"}
    - {name: ann, tenant: acme, public_key: "` + key2 + `", address: 10.9.0.2, expires: 2100-01-01T00:00:00Z}
`

// TestApplyVPN makes a VPN and its peers by a document, changes each of their
// fields, and takes away what the document names no more; what it exports applies
// to no changes.
func TestApplyVPN(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	before := w.all()
	dry := w.ok(w.apply(tunnel, false, options{DryRun: true}))
	w.untouched(before)
	if _, err := os.Stat(w.VPNKeys.Dir); !os.IsNotExist(err) {
		t.Errorf("a dry run made keys: %v", err)
	}
	want := []string{
		"+ tenant acme", "+ vpn 10.9.0.0/29 port 51820", "+ peer bob operator 10.9.0.3", // the lowest is another's by the document
		"+ peer ann tenant 10.9.0.2",
	}
	r := w.ok(w.apply(tunnel, false, options{}))
	if diff := cmp.Diff(want, r.Intent); diff != "" || !cmp.Equal(dry.Intent, r.Intent) {
		t.Errorf("intent (-want +got):\n%s\n%v", diff, dry.Intent)
	}
	if have := w.peers(); have["10.9.0.2"] != key2 || have["10.9.0.3"] != key1 || len(have) != 2 {
		t.Errorf("the device has %v", have)
	}
	host, err := w.VPNKeys.Host()
	if err != nil || host.Public != w.model().VPN.PublicKey {
		t.Errorf("the host's key: %v", err)
	}
	w.settled()
	text, err := w.Export(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r := w.ok(w.apply(string(text), true, options{})); r.Changed() {
			t.Errorf("what was exported changes %v\n%s", r.Intent, text)
		}
	}
	current := tunnel
	for _, tt := range []struct{ old, new, intent string }{
		{"listen: 51820", "listen: 51821", "~ vpn port 51820 -> 51821"},
		{"vpn.example.com", "198.51.100.9", "~ vpn endpoint vpn.example.com -> 198.51.100.9"},
		{"services: [2222/tcp]", "services: [53/udp, 2222/tcp]", "~ vpn services 2222/tcp -> 2222/tcp,53/udp"},
		{`{name: bob, public_key`, `{name: bob, tenant: acme, public_key`, "~ peer bob role operator -> tenant, tenant none -> acme"},
		{key1, key3, "~ peer bob key " + key1 + " -> " + key3},
		{"expires: 2100-01-01T00:00:00Z", "expires: 2101-01-01T00:00:00+01:00", "~ peer ann expires 2100-01-01T00:00:00Z -> 2100-12-31T23:00:00Z"},
		{", expires: 2101-01-01T00:00:00+01:00", "", "~ peer ann expires 2100-12-31T23:00:00Z -> never"},
		{"address: 10.9.0.2", "address: 10.9.0.2, disabled: true", "~ peer ann disabled false -> true"},
	} {
		if !strings.Contains(current, tt.old) {
			t.Fatalf("no %q in the document", tt.old)
		}
		current = strings.Replace(current, tt.old, tt.new, 1)
		if r := w.ok(w.apply(current, true, options{})); !cmp.Equal(r.Intent, []string{tt.intent}) {
			t.Errorf("%s: %v, want %s", tt.new, r.Intent, tt.intent)
		}
		w.settled()
	}
	w.ok(w.DeleteTenant(ctx, "nobody", true, operations.Options{}))
	rest, _, _ := strings.Cut(current, "    - {name: ann")
	if r := w.ok(w.apply(rest, false, options{})); r.Changed() {
		t.Errorf("without prune: %v", r.Intent)
	}
	if r := w.ok(w.apply(rest, true, options{})); !cmp.Equal(r.Intent, []string{"- peer ann"}) || len(w.peers()) != 1 {
		t.Errorf("with it: %v, %v", r.Intent, w.peers())
	}
	if files, _ := filepath.Glob(filepath.Join(w.VPNKeys.Dir, "*")); len(files) != 1 {
		t.Errorf("keys: %v", files)
	}
}

// TestApplyVPNRefuses: what a document cannot say of the VPN is refused, whole,
// with its place.
func TestApplyVPNRefuses(t *testing.T) {
	w := newWorld(t)
	w.ok(w.apply(tunnel, false, options{}))
	before := w.all()
	for _, tt := range []struct {
		old, new, want string
		kind           ispctl.ErrorKind
	}{
		{"10.9.0.0/29", "10.9.0.0/28", "is in use by", ispctl.Conflict},
		{"10.9.0.0/29", "203.0.113.0/24", "is public", ispctl.Usage},
		{"10.9.0.0/29", "10.9.0.1/29", "has host bits set", ispctl.Usage},
		{"listen: 51820", "listen: 0", "is no port", ispctl.Usage},
		{"listen: 51820", "listen: 65536", "is no port", ispctl.Usage},
		{"vpn.example.com", `"a b"`, "is neither an address nor a host name", ispctl.Usage},
		{"vpn.example.com", `"x\nPostUp = id"`, "is neither an address nor a host name", ispctl.Usage},
		{key1, "aGVsbG8=", "is not 32 bytes in base64", ispctl.Usage},
		{key1, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "everybody knows the secret of", ispctl.Usage},
		{key1, key2, "its public key is peer", ispctl.Conflict},
		{"name: bob", "name: ann", `peer "ann" is listed twice`, ispctl.Usage},
		{"name: bob", `name: "b'; id"`, "peer", ispctl.Usage},
		{"name: bob", "name: bob, role: king", `role "king" is neither`, ispctl.Usage},
		{"name: bob", "name: bob, role: tenant", "say whose", ispctl.Usage},
		{"tenant: acme", "tenant: acne", `tenant "acne" not found (have: acme)`, ispctl.Usage},
		{"name: bob", "name: bob, preshared: true", "could not be told of", ispctl.Usage},
		{"address: 10.9.0.2", "address: 10.9.0.4", "has the address 10.9.0.2 in a configuration of its own", ispctl.Conflict},
		{"name: bob", "name: carol, address: 10.9.0.2", "address 10.9.0.2 is peer", ispctl.Conflict},
		{"name: bob", "name: carol, address: 10.9.0.1", "is none that a peer can have", ispctl.Conflict},
		{"2100-01-01T00:00:00Z", "90d", "is no time", ispctl.Usage},
		{"expires:", "expired:", "expired", ispctl.Usage},
	} {
		text := strings.Replace(tunnel, tt.old, tt.new, 1)
		doc, err := document.Parse("p.yaml", []byte(text))
		if err == nil {
			_, err = w.Apply(t.Context(), doc, false, options{})
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "p.yaml:") || ispctl.KindOf(err) != tt.kind {
			t.Errorf("%s: %v, want %q and kind %d", tt.new, err, tt.want, tt.kind)
		}
	}
	w.untouched(before)
	if _, err := w.apply(strings.Replace(provider, "version: 1", "version: 1\nvpn: {listen: 1, prefix: 10.10.0.0/16}", 1), false, options{}); err == nil || !strings.Contains(err.Error(), "is in use by peer") {
		t.Errorf("it moves under its peers: %v", err)
	}
	if _, err := newWorld(t).apply(strings.Replace(provider, "version: 1", "version: 1\nvpn: {listen: 1, prefix: 10.10.0.0/16}", 1), false, options{}); err == nil || !strings.Contains(err.Error(), `overlaps 10.10.0.0/24 of zone "dmz"`) {
		t.Errorf("it overlaps a zone: %v", err)
	}
	full := tunnel
	for i := range 4 {
		full += fmt.Sprintf("    - {name: p%d, public_key: \"%s\"}\n", i, []string{key3, "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=", "sDLzOXjsmRe1lK1LzvLlvBP7vZkEpBp7zV4wKQ6aHhs=", "9HLzOXjsmRe1lK1LzvLlvBP7vZkEpBp7zV4wKQ6aHhs="}[i])
	}
	if _, err := w.apply(full, false, options{}); err == nil || !strings.Contains(err.Error(), "all addresses of 10.9.0.0/29 are peers'") {
		t.Errorf("one peer too many: %v", err)
	}
	w.untouched(before)
}
