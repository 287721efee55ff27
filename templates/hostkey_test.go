package templates

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/testkit"
)

// withHostKey is the input of a guest whose host key is known.
func withHostKey() SeedInput {
	in := input()
	in.Private = ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes, no 1"))
	in.HostKey = HostKeyLine(in.Private.Public().(ed25519.PublicKey))
	return in
}

// TestHostKey has OpenSSH read the private half, and say what belongs to it.
func TestHostKey(t *testing.T) {
	in := withHostKey()
	files, err := Seed(root(t), in)
	if err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(private, files[hostKeyFile], 0o600); err != nil {
		t.Fatal(err)
	}
	want := in.HostKey + " root@web1\n"
	if got := testkit.Sh(t, "ssh-keygen", "-y", "-f", private); got != want || string(files[hostKeyPublic]) != want {
		t.Errorf("public half %q, in the seed %q, want %q", got, files[hostKeyPublic], want)
	}
	if got := testkit.Sh(t, "ssh-keygen", "-l", "-f", private); strings.Fields(got)[1] != ispctl.Fingerprint(in.HostKey) {
		t.Errorf("fingerprint %s, want %s", ispctl.Fingerprint(in.HostKey), got)
	}
	if got := files[hostKeyDropbear]; len(got) != 4+11+4+64 || !strings.HasSuffix(string(got), string(in.Private)) {
		t.Errorf("for dropbear: %d bytes", len(got))
	}
}

// TestHostKeyInCloudInit is what other images than ours take it from.
func TestHostKeyInCloudInit(t *testing.T) {
	testkit.Need(t, pyYAML)
	in := withHostKey()
	files, err := Seed(root(t), in)
	if err != nil {
		t.Fatal(err)
	}
	load := exec.Command("python3", "-c", "import json,sys,yaml; json.dump(yaml.safe_load(sys.stdin.buffer), sys.stdout)")
	load.Stdin = strings.NewReader(string(files["user-data"]))
	out, err := load.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Keys map[string]string `json:"ssh_keys"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Keys) != 2 || got.Keys["ed25519_private"] != string(files[hostKeyFile]) || got.Keys["ed25519_public"]+"\n" != string(files[hostKeyPublic]) {
		t.Errorf("%v", got.Keys)
	}
}

// TestHostKeyIsShownByHalf leaves out what is nobody's business.
func TestHostKeyIsShownByHalf(t *testing.T) {
	in := withHostKey()
	in.Private = nil
	files, err := Seed(root(t), in)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if strings.Contains(string(text), "PRIVATE") || name == hostKeyFile || name == hostKeyDropbear {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestHostKeyRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*SeedInput){
		"another's": func(in *SeedInput) {
			in.Private = ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes, no 2"))
		},
		"half of one":   func(in *SeedInput) { in.Private = in.Private[:32] },
		"no public":     func(in *SeedInput) { in.HostKey = "" },
		"a comment":     func(in *SeedInput) { in.HostKey += " x" },
		"two lines":     func(in *SeedInput) { in.HostKey += "\n" },
		"another kind":  func(in *SeedInput) { in.HostKey = "ssh-rsa AAAA" },
		"no key at all": func(in *SeedInput) { in.HostKey, in.Private = "x", nil },
	} {
		in := withHostKey()
		spoil(&in)
		if _, err := Seed(root(t), in); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}
