package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/vpn/keys"
)

// TestVPNBadInput fails before anything is opened, or without having changed
// anything.
func TestVPNBadInput(t *testing.T) {
	reading(t)
	root := world(t)
	good, taken := string(convergetest.PublicKey(77)), string(convergetest.PublicKey(2))
	other, err := keys.NewPair()
	check(t, err)
	file := write(t, other.Private.String())
	for _, e := range []exits{
		{"vpn", 2, "which verb?"},
		{"vpn init --prefix 10.9.0.0", 2, "is not ADDRESS/LENGTH"},
		{"vpn init --listen 70000", 2, "--listen"},
		{"vpn init --listen 0", 2, "--listen is missing"},
		{"vpn init --prefix 10.20.0.0/24", 5, `in use by peer ann`},
		{"vpn init --endpoint a:1", 2, "neither an address nor a host name"},
		{"vpn init --service ssh", 2, "is not PORT/tcp"},
		{"vpn peer add", 2, "wants a name, has 0"},
		{"vpn peer add A", 2, "lower-case"},
		{"vpn peer add 'x'", 2, "lower-case"},
		{"vpn peer add bob --public-key x", 2, "is not 32 bytes in base64"},
		{"vpn peer add bob --public-key " + strings.Repeat("A", 43) + "=", 2, "everybody knows"},
		{"vpn peer add bob --public-key /nope/key", 2, "is neither a key nor a file"},
		{"vpn peer add bob --public-key " + taken, 5, `is peer "ann"'s already`},
		{"vpn peer add ann --public-key " + good, 5, "is there already"},
		{"vpn peer add bob --role root --public-key " + good, 2, "is neither operator nor tenant"},
		{"vpn peer add bob --role tenant --public-key " + good, 2, "say whose"},
		{"vpn peer add bob --role operator --tenant acme --public-key " + good, 2, "not tenant"},
		{"vpn peer add bob --tenant nope --public-key " + good, 3, `tenant "nope" not found`},
		{"vpn peer add bob --expires yesterday", 2, "is no date"},
		{"vpn peer add bob --expires 2001-01-01", 2, "not in the future"},
		{"vpn peer add bob --expires -3h", 2, "not in the future"},
		{"vpn peer add bob --expires 99999999d", 2, "too far in it"},
		{"vpn peer add bob -o xml", 2, "have: conf, qr, png"},
		{"vpn peer add bob --file " + file, 5, "is there already"},
		{"vpn peer set ann", 2, "--expires is missing"},
		{"vpn peer show nope", 3, `peer "nope" not found (have: ann)`},
		{"vpn peer rotate nope", 3, "not found"},
		{"vpn peer disable nope", 3, "not found"},
		{"vpn peer remove nope", 3, "not found"},
		{"vpn config nope", 3, "not found"},
		{"vpn config ann --private-key /nope", 2, "cannot be read"},
		{"vpn config ann --private-key " + file, 5, "not the one that goes with its public key"},
		{"vpn peer remove nope --if-exists --dry-run", 0, ""},
		{"forward add 203.0.113.2:51820/udp web1:1", 3, "not found"},
	} {
		e.check(t, root)
	}
	if got := ok(t, root, "vpn", "peer", "list", "-o", "name"); got != "ann\n" {
		t.Errorf("something has changed: %q", got)
	}
	if files, _ := filepath.Glob(ispctl.Paths{Root: root}.VPNKeys() + "/*"); len(files) != 1 {
		t.Errorf("keys of nobody: %v", files)
	}
}

// TestVPNDryRun says what it would do, with no secret in it, and keeps nothing.
func TestVPNDryRun(t *testing.T) {
	reading(t)
	root := world(t)
	out := ok(t, root, "vpn", "peer", "add", "bob", "--preshared", "--dry-run")
	for _, say := range []string{"+ peer bob operator 10.9.0.3", "wg set isp-0vpn peer ", "preshared-key " + root, "allowed-ips 10.9.0.3/32"} {
		if !strings.Contains(out, say) {
			t.Errorf("not said: %s\n%s", say, out)
		}
	}
	if got := ok(t, root, "vpn", "peer", "list", "-o", "name"); got != "ann\n" {
		t.Errorf("it was done: %q", got)
	}
	if files, _ := filepath.Glob(ispctl.Paths{Root: root}.VPNKeys() + "/*"); len(files) != 1 {
		t.Errorf("keys were written: %v", files)
	}
}

// TestVPNConfigFile has the configuration in a file that only its owner reads,
// and none on the terminal.
func TestVPNConfigFile(t *testing.T) {
	root := world(t)
	file := filepath.Join(t.TempDir(), "ann.png")
	if out := ok(t, root, "vpn", "config", "ann", "-o", "png", "--file", file); out != "" {
		t.Errorf("on standard output: %q", out)
	}
	info, err := os.Stat(file)
	check(t, err)
	if info.Mode() != 0o600 || info.Size() < 100 {
		t.Errorf("%s of %d bytes", info.Mode(), info.Size())
	}
	if text := ok(t, root, "vpn", "config", "ann"); !strings.Contains(text, "Endpoint = 203.0.113.2:51820\n") || !strings.Contains(text, "# PrivateKey") {
		t.Errorf("configuration:\n%s", text)
	}
}
