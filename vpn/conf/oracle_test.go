package conf_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ispctl/internal/testkit"
)

// TestWGQuick has wg-quick(8) read the configuration: what it hands on to wg(8)
// is the keys, the endpoint and the prefixes.
func TestWGQuick(t *testing.T) {
	testkit.Need(t, testkit.Root, testkit.Feature{Name: "wg-quick", Probe: func() error { _, err := exec.LookPath("wg-quick"); return err }})
	file := filepath.Join(t.TempDir(), "ann.conf")
	if err := os.WriteFile(file, []byte(config().Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	got := testkit.Sh(t, "wg-quick", "strip", file)
	for _, want := range []string{
		"PrivateKey = " + config().PrivateKey, "PresharedKey = " + config().PresharedKey, "PublicKey = " + string(config().HostKey),
		"Endpoint = [2001:db8::2]:51820", "AllowedIPs = 10.9.0.1/32, 10.255.0.0/16",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("wg-quick does not read %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "Address") {
		t.Errorf("it took the address for one of wg(8)'s settings:\n%s", got)
	}
}
