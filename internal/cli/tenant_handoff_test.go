package cli

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"

	"ispctl"
)

// TestRecipients: whom a document can be encrypted for, and whom not. A private
// key that was given by mistake is not said again.
func TestRecipients(t *testing.T) {
	own, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	public := own.Recipient().String()
	point, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(point)
	if err != nil {
		t.Fatal(err)
	}
	line := authorizedKey(key) + " acme"
	for name, given := range map[string]struct {
		text string
		n    int
	}{"age": {public, 1}, "SSH": {line, 1}, "a file with some": {file("keys", "# ours\n"+public+"\n\n"+line+"\n"), 2}} {
		if all, err := readRecipients([]string{given.text}); err != nil || len(all) != given.n {
			t.Errorf("%s: %d, %v", name, len(all), err)
		}
	}
	for name, tt := range map[string]struct{ given, want string }{
		"of ECDSA":             {"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA== a", "is neither a key of age or SSH nor a file"},
		"a security key":       {file("sk.pub", "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t a"), "is of a kind that nothing can be encrypted for"},
		"of DSA":               {"ssh-dss AAAAB3NzaC1kc3M= a", "is of a kind that nothing can be encrypted for"},
		"no key":               {"ssh-ed25519 !!!!", "is of a kind that nothing can be encrypted for"},
		"half a key of age":    {public[:20], "is no key of age"},
		"of a plugin":          {"age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "is no key of age"},
		"a file of nothing":    {file("empty", "# nobody\n"), "holds no key"},
		"a file of anything":   {file("junk", "\x00\x01\x02"), "is of a kind that nothing can be encrypted for"},
		"no file":              {"/nope/at/all", "nor a file that can be read"},
		"a private key of age": {own.String(), "is a private key"},
		"one in a file":        {file("private", own.String()+"\n"), "is a private key"},
		"a private key of SSH": {file("id", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n"), "is a private key"},
		"one good and one bad": {file("two", public+"\nssh-dss AAAAB3NzaC1kc3M= a\n"), "is of a kind that nothing can be encrypted for"},
	} {
		all, err := readRecipients([]string{tt.given})
		if err == nil || len(all) > 0 || !strings.Contains(err.Error(), tt.want) || ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%s: %v, %v", name, all, err)
		}
		if err != nil && (strings.Contains(err.Error(), own.String()[20:]) || strings.Contains(err.Error(), "b3Blbn")) {
			t.Errorf("%s: a secret is said: %v", name, err)
		}
	}
	// What is encrypted opens with the key, and with no other.
	to, err := readRecipients([]string{public})
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	if err := encrypt(&sealed, to, func(w io.Writer) error { _, err := io.WriteString(w, "secret"); return err }); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sealed.String(), "secret") {
		t.Error("it is in clear")
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []struct {
		id    *age.X25519Identity
		opens bool
	}{{own, true}, {stranger, false}} {
		r, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed.Bytes())), who.id)
		if (err == nil) != who.opens {
			t.Fatalf("opens %v: %v", who.opens, err)
		}
		if who.opens {
			if text, err := io.ReadAll(r); err != nil || string(text) != "secret" {
				t.Errorf("%q, %v", text, err)
			}
		}
	}
}
