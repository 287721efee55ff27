package images

import (
	"crypto/ed25519"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl/internal/testkit"
	"ispctl/templates"
)

const seedScript = "recipes/debian-12/root/usr/lib/ispctl/seed"

// guestRoot is what the script needs of a root file system.
func guestRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"etc/hosts": "127.0.0.1 localhost\n127.0.1.1 old.example old\n", "etc/hostname": "old\n", "etc/ssh/ssh_host_rsa_key": "of another machine",
		"etc/passwd": "root:x:0:0:root:/root:/bin/bash\ndebian:x:1000:1000::/home/debian:/bin/bash\n",
		"root/x":     "", "home/debian/x": "", "var/lib/x": "", "run/x": "",
	} {
		put(t, filepath.Join(root, name), []byte(text))
	}
	return root
}

func put(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// seeded runs the script over a root.
func seeded(t *testing.T, shell []string, root, seed string) {
	t.Helper()
	out, err := exec.Command(shell[0], append(shell[1:], seedScript, root, seed)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func scriptInput() templates.SeedInput {
	in := templates.SeedInput{
		InstanceID: "i-1", Hostname: "web1", Zone: "dmz",
		Keys: []string{sshKey(1) + " alice", sshKey(2) + " it's $(id) `id` \\ * %s"},
		NICs: []templates.NICInput{
			{MAC: "02:00:00:00:00:01", Nets: []templates.NetInput{
				{Addr: netip.MustParsePrefix("10.10.0.2/24"), Gateway: netip.MustParseAddr("10.10.0.1")},
				{Addr: netip.MustParsePrefix("fd00:10::2/64"), Gateway: netip.MustParseAddr("fd00:10::1")},
			}, DNS: []netip.Addr{netip.MustParseAddr("10.10.0.1")}},
			{MAC: "02:00:00:00:00:02", Nets: []templates.NetInput{{Addr: netip.MustParsePrefix("10.255.0.2/24")}}},
			{MAC: "02:00:00:00:00:03", Nets: []templates.NetInput{{Addr: netip.MustParsePrefix("203.0.113.9/32"), Gateway: netip.MustParseAddr("192.0.2.1")}}},
		},
		Private: ed25519.NewKeyFromSeed(make([]byte, 32)),
	}
	in.HostKey = templates.HostKeyLine(in.Private.Public().(ed25519.PublicKey))
	return in
}

// sshKey is a public key that differs by n.
func sshKey(n byte) string {
	return templates.HostKeyLine(ed25519.NewKeyFromSeed(append(make([]byte, 31), n)).Public().(ed25519.PublicKey))
}

// seedOf writes the seed of an input as files.
func writtenSeed(t *testing.T, login string, in templates.SeedInput) string {
	t.Helper()
	files, err := templates.Seed(templates.Template{Login: login, Console: templates.ConsoleNone}, in)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range files {
		put(t, filepath.Join(dir, name), data)
	}
	return filepath.Join(dir, "ispctl")
}

var shells = map[string][]string{"dash": {"dash"}, "busybox": {"busybox", "sh"}}

// TestSeedScript has two shells take what the encoder wrote.
func TestSeedScript(t *testing.T) {
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			root := guestRoot(t)
			read := func(file string) string {
				t.Helper()
				data, err := os.ReadFile(filepath.Join(root, file))
				if err != nil {
					t.Error(err)
				}
				return string(data)
			}
			in := scriptInput()
			seed := writtenSeed(t, "root", in)
			seeded(t, shell, root, seed)
			for file, want := range map[string]string{
				"etc/hostname": "web1\n", "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 web1.dmz.internal web1\n",
				"root/.ssh/authorized_keys":        in.Keys[0] + "\n" + in.Keys[1] + "\n",
				"etc/ssh/ssh_host_ed25519_key.pub": in.HostKey + " root@web1\n",
				"run/systemd/network/10-ispctl-02:00:00:00:00:01.network": "[Match]\nMACAddress=02:00:00:00:00:01\n\n[Network]\nDHCP=no\nDNS=10.10.0.1\nDomains=dmz.internal\n" +
					"\n[Address]\nAddress=10.10.0.2/24\n\n[Route]\nDestination=0.0.0.0/0\nGateway=10.10.0.1\n\n[Address]\nAddress=fd00:10::2/64\n" +
					"\n[Route]\nDestination=::/1\nGateway=fd00:10::1\n\n[Route]\nDestination=8000::/1\nGateway=fd00:10::1\n",
				"run/systemd/network/10-ispctl-02:00:00:00:00:02.network": "[Match]\nMACAddress=02:00:00:00:00:02\n\n[Network]\nDHCP=no\n\n[Address]\nAddress=10.255.0.2/24\n",
				"run/systemd/network/10-ispctl-02:00:00:00:00:03.network": "[Match]\nMACAddress=02:00:00:00:00:03\n\n[Network]\nDHCP=no\n" +
					"\n[Address]\nAddress=203.0.113.9/32\n\n[Route]\nDestination=0.0.0.0/0\nGateway=192.0.2.1\nGatewayOnLink=yes\n",
				"run/ispctl/instance": "i-1\n", "run/ispctl/no-console": "",
			} {
				if diff := cmp.Diff(want, read(file)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", file, diff)
				}
			}
			private := filepath.Join(root, "etc/ssh/ssh_host_ed25519_key")
			if got := testkit.Sh(t, "ssh-keygen", "-y", "-f", private); got != in.HostKey+" root@web1\n" {
				t.Errorf("the private key is of %s", got)
			}
			for file, want := range map[string]os.FileMode{private: 0o600, filepath.Join(root, "root/.ssh"): 0o700, filepath.Join(root, "root/.ssh/authorized_keys"): 0o600, filepath.Join(root, "var/lib/ispctl"): 0o700} {
				if st, err := os.Stat(file); err != nil || st.Mode().Perm() != want {
					t.Errorf("%s: %v, want %v (%v)", file, st.Mode(), want, err)
				}
			}
			if _, err := os.Stat(filepath.Join(root, "etc/ssh/ssh_host_rsa_key")); err == nil {
				t.Error("the host key of another machine is still there")
			}

			// The next boots: what was changed inside stays, unless the seed says
			// something new.
			put(t, filepath.Join(root, "root/.ssh/authorized_keys"), []byte(in.Keys[1]+"\n"+sshKey(9)+" own\n"))
			put(t, filepath.Join(root, "var/lib/ispctl/instance"), []byte("i-1\n"))
			if err := os.RemoveAll(filepath.Join(root, "run")); err != nil {
				t.Fatal(err)
			}
			seeded(t, shell, root, seed)
			if got, want := read("root/.ssh/authorized_keys"), in.Keys[1]+"\n"+sshKey(9)+" own\n"; got != want {
				t.Errorf("keys after a boot: %q, want %q", got, want)
			}
			if _, err := os.Stat(filepath.Join(root, "run/ispctl/instance")); err == nil {
				t.Error("an instance that was set up is to be set up again")
			}
			in.Keys, in.Hostname = []string{sshKey(3) + " bob"}, "web2"
			seeded(t, shell, root, writtenSeed(t, "root", in))
			if got, want := read("root/.ssh/authorized_keys"), sshKey(9)+" own\n"+in.Keys[0]+"\n"; got != want {
				t.Errorf("keys after a change: %q, want %q", got, want)
			}
			if got := read("etc/hosts"); got != "127.0.0.1 localhost\n127.0.1.1 web2.dmz.internal web2\n" {
				t.Errorf("hosts after a change: %q", got)
			}
			// Another login than root: root stays shut.
			seeded(t, shell, root, writtenSeed(t, "debian", scriptInput()))
			if got := read("home/debian/.ssh/authorized_keys"); strings.Count(got, "\n") != 2 {
				t.Errorf("keys of debian: %q", got)
			}
		})
	}
}

// TestSeedScriptHostile gives it what the encoder never writes: nothing is run,
// and nothing gets into a file that is not an address, a MAC or a plain word.
func TestSeedScriptHostile(t *testing.T) {
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			for i, h := range []string{
				"$(touch PWNED)", "`touch PWNED`", "; touch PWNED;", "-rf", "../../x", "a b", "a\nb", "*", "%s%n", "'\"", "\\", "\x00", "\x1b[2J", strings.Repeat("x", 3000), "", "|", "é",
			} {
				root, seed := guestRoot(t), t.TempDir()
				h = strings.ReplaceAll(h, "PWNED", filepath.Join(root, "PWNED"))
				for _, file := range []string{"hostname", "domain", "login", "console", "instance", "resolvers", "host_key.pub", "host_key"} {
					put(t, filepath.Join(seed, file), []byte(h+"\n"))
				}
				put(t, filepath.Join(seed, "authorized_keys"), []byte(h+"\n"))
				lines := fmt.Sprintf("%[1]s %[1]s %[1]s\n02:00:00:00:00:01 %[1]s 10.0.0.1\n02:00:00:00:00:01 10.0.0.2/24 %[1]s\n%[1]s 10.0.0.2/24 -\n02:00:00:00:00:02 10.0.0.3/24 - %[1]s\n", h)
				put(t, filepath.Join(seed, "network"), []byte(lines))
				_ = exec.Command(shell[0], append(shell[1:], seedScript, root, seed)...).Run()
				if _, err := os.Stat(filepath.Join(root, "PWNED")); err == nil {
					t.Errorf("%d: %q was run", i, h)
				}
				units, err := filepath.Glob(filepath.Join(root, "run/systemd/network/*"))
				if err != nil {
					t.Fatal(err)
				}
				for _, unit := range units {
					text, err := os.ReadFile(unit)
					if err != nil {
						t.Fatal(err)
					}
					if strings.ContainsAny(string(text), "$`;|'\"\\*%\x00\x1b") || !strings.HasPrefix(filepath.Base(unit), "10-ispctl-02:00:00:00:00:0") {
						t.Errorf("%d: %q: %s has %q", i, h, unit, text)
					}
				}
				if text, _ := os.ReadFile(filepath.Join(root, "etc/hostname")); strings.ContainsAny(string(text), "$`;|'\"\\*%/\x00\x1b ") {
					t.Errorf("%d: %q: hostname %q", i, h, text)
				}
			}
		})
	}
}
