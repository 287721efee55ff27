package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"github.com/creack/pty"

	"ispctl/handover"
	"ispctl/internal/testkit"
)

// handsOver hands the real guest web1 over, to somebody who has but a key: the
// bundle opens with it, the machine is known before it is met, the password has
// to be changed, and who had root before has it no more.
func handsOver(t *testing.T, w *world) {
	agentUp(t, w, "web1")
	dir := t.TempDir()
	tenantKey, bundle := filepath.Join(dir, "tenant"), filepath.Join(dir, "bundle.age")
	testkit.Sh(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tenantKey)
	w.ok("tenant", "create", "acme")
	w.ok("vm", "set", "web1", "--tenant", "acme")
	w.ok("vpn", "init", "--listen", vpnPort, "--prefix", "10.9.0.0/24")
	said := w.ok("tenant", "handoff", "acme", "--ssh-key", tenantKey+".pub", "--password", "--recipient", tenantKey+".pub", "-o", "json", "--output", bundle)
	doc := opened(t, bundle, tenantKey)
	if len(doc.VMs) != 1 || len(doc.VMs[0].Password) != 24 || len(doc.VMs[0].HostKeys) == 0 || doc.VPN == nil {
		t.Fatalf("document: %+v", doc)
	}
	vm := doc.VMs[0]
	known := filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(known, []byte(vm.KnownHosts()), 0o600); err != nil {
		t.Fatal(err)
	}
	login := func(key string, tty bool, command ...string) *exec.Cmd {
		args := []string{
			"netns", "exec", w.provider, "ssh", "-i", key, "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=60", "-o", "StrictHostKeyChecking=yes",
			"-o", "UserKnownHostsFile=" + known, "-o", "LogLevel=ERROR", "-o", "PasswordAuthentication=no", "-o", "KbdInteractiveAuthentication=no",
		}
		if tty {
			args = append(args, "-tt")
		}
		return exec.Command("ip", append(append(args, "root@"+vm.Addresses[0]), command...)...)
	}
	if out, err := login(w.key, false, "true").CombinedOutput(); err == nil || !strings.Contains(string(out), "Permission denied") {
		t.Errorf("the operator's key still opens the guest, or something else is wrong: %v: %s", err, out)
	}
	out, err := login(tenantKey, false, "id", "-un").CombinedOutput()
	if err == nil || !strings.Contains(strings.ToLower(string(out)), "password") {
		t.Errorf("nobody is made to change the password: %v: %s", err, out)
	}
	const fresh = "Nobody-guesses-47-this"
	changePassword(t, login(tenantKey, true), vm.Password, fresh)
	out, err = login(tenantKey, false, "id", "-un").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "root" {
		t.Errorf("after the change: %v: %s", err, out)
	}

	// Nor is it written down in the guest.
	const look = "(journalctl --no-pager -q; grep -rhaF -- '%[1]s' /var/log /var/lib/cloud /var/lib/ispctl /run/ispctl /etc /root) 2>/dev/null | grep -caF -- '%[1]s'"
	if out, _ := login(tenantKey, false, fmt.Sprintf(look, vm.Password)).CombinedOutput(); strings.TrimSpace(string(out)) != "0" {
		t.Errorf("the guest has the password written down in %s lines", out)
	}

	_, private, _ := strings.Cut(doc.VPN.Config, "PrivateKey = ")
	private, _, _ = strings.Cut(private, "\n")
	_, preshared, _ := strings.Cut(doc.VPN.Config, "PresharedKey = ")
	preshared, _, _ = strings.Cut(preshared, "\n")
	for name, secret := range map[string]string{"password": vm.Password, "private key": private, "preshared key": preshared} {
		if len(secret) < 20 {
			t.Fatalf("no %s in the document", name)
		}
		w.canary(t, name, secret)
		for _, args := range []string{"vm show web1 -o json", "vpn peer list -o json", "vpn status -o json", "tenant show acme -o json", "audit list -o json", "audit export", "export", "status -o json", "vpn config acme"} {
			if strings.Contains(w.ok(strings.Fields(args)...), secret) {
				t.Errorf("%s shows the %s", args, name)
			}
		}
		if strings.Contains(said, secret) {
			t.Errorf("the %s was printed beside the bundle", name)
		}
	}
}

// opened is what a bundle holds for who has the key.
func opened(t *testing.T, bundle, key string) (doc handover.Document) {
	t.Helper()
	pem, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	id, err := agessh.ParseIdentity(pem)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	clear, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), id)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(clear)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// changePassword answers what is asked at a terminal.
func changePassword(t *testing.T, cmd *exec.Cmd, old, fresh string) {
	t.Helper()
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close() //nolint:errcheck // it ends with its program
	watchdog := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	var seen strings.Builder
	buf := make([]byte, 4096)
	// What is printed between an answer and the next question is another's: so
	// that no question is answered twice, each looks at what came after the last.
	for _, ask := range []struct{ prompt, answer string }{
		{"current password:", old + "\n"}, {"new password:", fresh + "\n"}, {"retype new password:", fresh + "\n"}, {"# ", ""}, // the shell
	} {
		for from := seen.Len(); !strings.Contains(strings.ToLower(seen.String()[from:]), ask.prompt); {
			n, err := terminal.Read(buf)
			seen.Write(buf[:n])
			if err != nil {
				t.Fatalf("it waits for %q, and %v:\n%s", ask.prompt, err, seen.String())
			}
		}
		if _, err := io.WriteString(terminal, ask.answer); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// canary looks for a secret wherever it could have come to lie: in every file
// under the root but the guest's disks and the keys of the VPN, and in the
// arguments and environments of all processes.
func (w *world) canary(t *testing.T, name, secret string) {
	t.Helper()
	files := 0
	look := func(path string) {
		data, err := os.ReadFile(path)
		if err != nil {
			return // it is gone, or not to be read
		}
		if files++; bytes.Contains(data, []byte(secret)) {
			t.Errorf("%s holds the %s", path, name)
		}
	}
	err := filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // it is gone
		case path == w.root+"/var/lib/ispctl/vpn":
			return fs.SkipDir // only root reads what is there, and the host needs it
		case d.Type().IsRegular() && !strings.HasSuffix(path, ".qcow2") && !strings.HasSuffix(path, "disk.raw"):
			look(path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Error(err)
	}
	for _, path := range processes {
		look(path)
		look(strings.TrimSuffix(path, "cmdline") + "environ")
	}
	if files < 20 {
		t.Errorf("only %d files were looked at", files)
	}
}
