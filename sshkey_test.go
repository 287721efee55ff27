package ispctl_test

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"ispctl"
)

// blob is the base64 of an SSH wire blob of these strings.
func blob(parts ...string) string {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return base64.StdEncoding.EncodeToString(b)
}

var (
	ed25519Key = "ssh-ed25519 " + blob("ssh-ed25519", strings.Repeat("k", 32))
	rsaKey     = "ssh-rsa " + blob("ssh-rsa", "\x01\x00\x01", strings.Repeat("n", 257))
	ecdsaKey   = "ecdsa-sha2-nistp256 " + blob("ecdsa-sha2-nistp256", "nistp256", strings.Repeat("q", 65))
	skKey      = "sk-ssh-ed25519@openssh.com " + blob("sk-ssh-ed25519@openssh.com", strings.Repeat("k", 32), "ssh:")
	skECDSAKey = "sk-ecdsa-sha2-nistp256@openssh.com " + blob("sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", strings.Repeat("q", 65), "ssh:")
)

func TestParseSSHKey(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"ed25519", ed25519Key, ed25519Key},
		{"rsa", rsaKey, rsaKey},
		{"ecdsa", ecdsaKey, ecdsaKey},
		{"security key", skKey, skKey},
		{"security key, ecdsa", skECDSAKey, skECDSAKey},
		{"what ssh-keygen made", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me"},
		{"comment", ed25519Key + " me@host", ed25519Key + " me@host"},
		{"end of line", ed25519Key + " me\r\n", ed25519Key + " me"},
		{"many spaces", "  " + strings.Replace(ed25519Key, " ", " \t ", 1) + "  my   key ", ed25519Key + " my key"},
		{"comment that is not printable", ed25519Key + " a \u00e9 b\x1b[31m", ed25519Key + " a b[31m"},
		{"comment of nothing printable", ed25519Key + " \u00e9", ed25519Key},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ispctl.ParseSSHKey(tt.in)
			if err != nil || got != tt.want {
				t.Fatalf("want %q, have %q, %v", tt.want, got, err)
			}
			if again, err := ispctl.ParseSSHKey(got); err != nil || again != got {
				t.Errorf("read again: %q, %v", again, err)
			}
		})
	}
}

func TestParseSSHKeyRefuses(t *testing.T) {
	_, body, _ := strings.Cut(ed25519Key, " ")
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", "does not start with a known key type"},
		{"only a type", "ssh-ed25519", "does not start with a known key type"},
		{"options", `command="rm" ` + ed25519Key, "options are not taken"},
		{"DSA", "ssh-dss " + blob("ssh-dss", "p", "q", "g", "y"), "does not start with a known key type"},
		{"private", "-----BEGIN OPENSSH PRIVATE KEY-----", "does not start with a known key type"},
		{"two lines", ed25519Key + "\n" + rsaKey, "has more than one line"},
		{"NUL", ed25519Key + "\x00", "has more than one line"},
		{"no base64", "ssh-ed25519 ####", "is not base64"},
		{"cut within base64", "ssh-ed25519 " + body[:len(body)-2], "is not base64"},
		{"another type inside", "ssh-rsa " + body, "says ssh-rsa and holds another type"},
		{"no type inside", "ssh-ed25519 AAAA", "holds another type"},
		{"length beyond the end", "ssh-ed25519 /////w==", "holds another type"},
		{"only the type inside", "ssh-ed25519 " + blob("ssh-ed25519"), "is cut short"},
		{"cut inside the key", "ssh-ed25519 " + body[:40], "is cut short"},
		{"appended", "ssh-ed25519 " + blob("ssh-ed25519", "key", "more"), "has something appended"},
		{"a byte appended", "ssh-ed25519 " + blob("ssh-ed25519", "key")[:23] + "B", "is cut short"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ispctl.ParseSSHKey(tt.in)
			if err == nil {
				t.Fatalf("was taken as %q", got)
			}
			refused(t, err, ispctl.Usage, "ssh key: ", tt.want)
		})
	}
}

func FuzzParseSSHKey(f *testing.F) {
	for _, seed := range []string{
		ed25519Key, rsaKey, ecdsaKey, skKey, skECDSAKey, ed25519Key + " me\r\n", ed25519Key + " a \u00e9 b",
		"ssh-ed25519 AAAA", "ssh-rsa /////w==", `command="x" ` + ed25519Key, "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, err := ispctl.ParseSSHKey(s)
		if err != nil {
			refused(t, err, ispctl.Usage, "ssh key: ")
			return
		}
		if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q became %q", s, key)
		}
		if again, err := ispctl.ParseSSHKey(key); err != nil || again != key {
			t.Fatalf("%q became %q, and that %q, %v", s, key, again, err)
		}
	})
}
