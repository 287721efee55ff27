package images

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/testkit"
)

func TestForget(t *testing.T) {
	for path, want := range map[string]string{
		"/etc/ssh/ssh_host_rsa_key":         "it",
		"/etc/ssh/sshd_config":              "",
		"/etc/ssh":                          "below",
		"/etc":                              "below",
		"/usr":                              "",
		"/home":                             "below",
		"/home/anna":                        "below",
		"/home/anna/.ssh/id":                "it below",
		"/home/anna/.ssh/a/b":               "it below",
		"/home/anna/work":                   "",
		"/home/anna/.bash_history":          "it",
		"/root/.bash_history":               "it",
		"/var/log":                          "below",
		"/var/log/nginx/access.log":         "it below",
		"/var/lib/cloud/instance/user-data": "it below",
		"/var/lib/postgresql/pg_hba":        "",
		"/srv/etc/ssh/ssh_host_rsa_key":     "",
	} {
		it, below, _ := whether(strings.Split(path, "/")[1:])
		var got []string
		if it {
			got = append(got, "it")
		}
		if below {
			got = append(got, "below")
		}
		if have := strings.Join(got, " "); have != want {
			t.Errorf("%s: %q, want %q", path, have, want)
		}
	}
}

func TestLockShadow(t *testing.T) {
	const in = "root:$6$salt$hash:19000:0:99999:7:::\nlocked:!$y$old:1:::::\nnone:*:1:::::\nold:abcdefghijklm:1:::::\nno:!:1:::::\nempty::1:::::\nbroken\n"
	const want = "root:*:19000:0:99999:7:::\nlocked:*:1:::::\nnone:*:1:::::\nold:*:1:::::\nno:!:1:::::\nempty::1:::::\nbroken\n"
	if got := string(lockShadow([]byte(in))); got != want {
		t.Errorf("have\n%s\nwant\n%s", got, want)
	}
}

func FuzzParseEntry(f *testing.F) {
	for _, line := range []string{"/12/100644/0/0/passwd/1024/", "/2/040755/0/0/.//", "/0/000000/0/0///", "/x/", "/1/9/0/0/a/1/", "/1/100644/0/0/a\"b/1/"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		e, used, err := parseEntry(line)
		if err == nil && used && (strings.ContainsAny(e.name, "\"\\/\n\x00") || e.name == "") {
			t.Errorf("%q is taken for the name %q", line, e.name)
		}
	})
}

// ext4 makes a file system with the files of a directory, as a stage's copy.
func ext4(t *testing.T, stage *Stage, from string) *spool {
	t.Helper()
	s, err := newSpool(stage, DefaultLargest)
	if err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(s.dir, "disk")
	testkit.Sh(t, "truncate", "-s", "64M", disk)
	testkit.Sh(t, "mke2fs", "-q", "-t", "ext4", "-d", from, disk)
	testkit.Sh(t, "chown", "2013265920:2013265920", disk)
	return s
}

// TestClean looks with debugfs(8), e2fsck(8) and at the bytes themselves what is
// left of a guest's own.
func TestClean(t *testing.T) {
	testkit.Need(t, testkit.Root)
	root := t.TempDir()
	secret := func(n int) string { return "canary-" + hex.EncodeToString([]byte{byte(n), 0xca, 0x11}) }
	gone := []string{
		"etc/ssh/ssh_host_ed25519_key", "etc/dropbear/host_key", "etc/shadow-", "root/.ssh/authorized_keys", "root/.ssh/id_ed25519", "root/.bash_history",
		"home/anna/.ssh/keys/deep", "home/anna/.python_history", "var/log/syslog", "var/log/a b/c.log", "var/lib/cloud/instances/x/user-data.txt", "var/lib/ispctl/keys",
		"tmp/x/y", "var/lib/systemd/random-seed",
	}
	kept := map[string]string{"etc/ssh/sshd_config": "Port 22\n", "home/anna/work": "data", "usr/bin/tool": "#!/bin/sh\n", "etc/passwd": "root:x:0:0::/root:/bin/sh\n"}
	put := func(name, content string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range gone {
		put(name, secret(i)+strings.Repeat(".", 5000), 0o600)
	}
	for name, content := range kept {
		put(name, content, 0o644)
	}
	put("etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0o444)
	put("etc/shadow", "root:$6$canaryhash:1::::::\nanna:*:1::::::\n", 0o640)
	if err := os.Chown(filepath.Join(root, "etc/shadow"), 0, 42); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/var/lib/cloud/instances/x", filepath.Join(root, "var/lib/cloud/instance")); err != nil {
		t.Fatal(err)
	}
	store := &Store{Dir: t.TempDir()}
	stage, err := store.Stage()
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	s := ext4(t, stage, root)
	if err := (&cleaner{spool: s, disk: "disk"}).clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	disk := s.path("disk")
	testkit.Sh(t, "e2fsck", "-f", "-n", disk)
	read := func(path string) string { return testkit.Sh(t, "debugfs", "-R", "cat "+path, disk) }
	for name, content := range kept {
		if got := read("/" + name); !strings.Contains(got, strings.TrimSpace(content)) {
			t.Errorf("%s holds %q", name, got)
		}
	}
	if got := read("/etc/shadow"); !strings.Contains(got, "root:*:1::::::") || strings.Contains(got, "canaryhash") {
		t.Errorf("/etc/shadow: %s", got)
	}
	for name, want := range map[string]string{"/etc/shadow": "0640", "/etc/machine-id": "0444"} {
		if out := testkit.Sh(t, "debugfs", "-R", "stat "+name, disk); !strings.Contains(out, "Mode:  "+want) || name == "/etc/shadow" && !strings.Contains(out, "Group:    42") {
			t.Errorf("%s: %s", name, out)
		}
	}
	data, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range gone {
		if bytes.Contains(data, []byte(secret(i))) {
			t.Errorf("the content of %s is still on the disk", name)
		}
	}
	for _, word := range []string{"canaryhash", "0123456789abcdef0123456789abcdef"} {
		if bytes.Contains(data, []byte(word)) {
			t.Errorf("%s is still on the disk", word)
		}
	}
	if out := testkit.Sh(t, "debugfs", "-R", "ls -p /var/lib/cloud", disk); strings.Contains(out, "instance") {
		t.Errorf("left: %s", out)
	}
}

// TestCleanHostile: a guest's own file system is refused rather than half
// cleaned.
func TestCleanHostile(t *testing.T) {
	testkit.Need(t, testkit.Root)
	for _, tt := range []struct {
		name, want string
		make       func(t *testing.T, root string)
		spoil      func(t *testing.T, disk string)
	}{
		{name: "a name with a new line", want: "a name in /var/log that cannot be handled", make: func(t *testing.T, root string) {
			oneByte(t, filepath.Join(root, "var/log", "x\nrm /etc/passwd"))
		}},
		{name: "a name with a quote", want: "a name in /root/.ssh that cannot be handled", make: func(t *testing.T, root string) {
			oneByte(t, filepath.Join(root, "root/.ssh", `id" /spool "x`))
		}},
		{name: "a shadow that is a link", want: "/etc/shadow that is no file", make: func(t *testing.T, root string) {
			oneByte(t, filepath.Join(root, "etc/other"))
			if err := os.Symlink("/spool/file-1", filepath.Join(root, "etc/shadow")); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "directories without end", want: "directories more than 32 deep", make: func(t *testing.T, root string) {
			oneByte(t, filepath.Join(root, "tmp", strings.Repeat("d/", 40), "f"))
		}},
		{name: "no file system", want: "its file system cannot be cleaned", make: func(*testing.T, string) {}, spoil: func(t *testing.T, disk string) {
			if err := os.WriteFile(disk, bytes.Repeat([]byte{0x5a}, 1<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			tt.make(t, root)
			store := &Store{Dir: t.TempDir()}
			stage, err := store.Stage()
			if err != nil {
				t.Fatal(err)
			}
			defer stage.Close()
			s := ext4(t, stage, root)
			if tt.spoil != nil {
				tt.spoil(t, s.path("disk"))
			}
			err = (&cleaner{spool: s, disk: "disk"}).clean(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || ispctl.KindOf(err) != ispctl.Conflict {
				t.Errorf("have %v, want %s", err, tt.want)
			}
		})
	}
}

func oneByte(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCapture takes a disk over an image into the store.
func TestCapture(t *testing.T) {
	testkit.Need(t, testkit.Root)
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	store := &Store{Dir: filepath.Join(dir, "store")}
	root := t.TempDir()
	for _, name := range []string{"var/log/messages", "etc/passwd"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte("content of "+name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	boot := filepath.Join(dir, "image")
	testkit.Sh(t, "mkdir", "-p", boot)
	base := filepath.Join(boot, diskFile)
	testkit.Sh(t, "truncate", "-s", "32M", base)
	testkit.Sh(t, "mke2fs", "-q", "-t", "ext4", "-d", root, base)
	for _, file := range []string{kernelFile, initrdFile} {
		if err := os.WriteFile(filepath.Join(boot, file), []byte("boots "+file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	disk := filepath.Join(dir, "disk.qcow2")
	if err := CreateOverlay(disk, base, 48*ispctl.MiB); err != nil {
		t.Fatal(err)
	}
	o := CaptureOptions{
		Name: "own", Disk: Copy{From: disk, Backing: base, UID: int64(os.Getuid())}, Boot: boot, Cmdline: "root=/dev/vda", Source: `vm "web1"`,
	}
	var phases []string
	o.Progress = func(e Event) { phases = append(phases, e.Phase) }
	image, err := Capture(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	if image.Size != 48*ispctl.MiB || image.DiskBoot || image.Cmdline != "root=/dev/vda" || image.Name != "own" {
		t.Errorf("%+v", image)
	}
	if want := []string{PhaseCopy, PhaseClean, PhaseStore}; !slices.Equal(phases, want) {
		t.Errorf("phases %v, want %v", phases, want)
	}
	got := filepath.Join(store.Dir, image.Digest, diskFile)
	if out := testkit.Sh(t, "debugfs", "-R", "ls -p /var/log", got); strings.Contains(out, "messages") {
		t.Errorf("left: %s", out)
	}
	if out := testkit.Sh(t, "debugfs", "-R", "cat /etc/passwd", got); !strings.Contains(out, "content of etc/passwd") {
		t.Errorf("lost: %s", out)
	}
	if err := store.Verify(t.Context(), image.Digest); err != nil {
		t.Error(err)
	}
	// What cannot be cleaned is not taken, and leaves nothing.
	if err := os.WriteFile(base, bytes.Repeat([]byte("no file system. "), 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Capture(t.Context(), store, o)
	if err == nil || !strings.Contains(err.Error(), `vm "web1": `) || !strings.Contains(err.Error(), "no single ext4 file system") {
		t.Errorf("have %v", err)
	}
	entries, err := os.ReadDir(store.Dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the store: %v, %v", fmt.Sprint(entries), err)
	}
}
