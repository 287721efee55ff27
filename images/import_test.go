package images

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/images/jail"
	"ispctl/internal/testkit"
)

// importEnv turns the test binary into a process that imports every file of the
// directory it names into a store beside it, and prints what came of each.
const importEnv = "ISPCTL_TEST_IMPORT_ALL"

// outcome is a line that it prints.
type outcome struct {
	File, Error string
	Kind        ispctl.ErrorKind
}

func importAll(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for _, e := range entries {
		o := outcome{File: e.Name()}
		_, err := Import(context.Background(), &Store{Dir: dir + ".store"}, filepath.Join(dir, e.Name()), ImportOptions{Name: "x", Largest: mostHostile})
		if err != nil {
			o.Error, o.Kind = err.Error(), ispctl.KindOf(err)
		}
		if err := out.Encode(o); err != nil {
			return err
		}
	}
	return nil
}

// TestHostileImages imports files that are wrong in one way each, under
// strace(1). Each is refused, with its own reason; no file is opened by anybody
// but those of the import itself; nothing is left in the store.
func TestHostileImages(t *testing.T) {
	testkit.Need(t, testkit.Root)
	root := t.TempDir()
	secret := filepath.Join(root, "secret-7f3a")
	writeFile(t, secret, []byte(strings.Repeat("the secret\n", 100_000)))
	all := newCorpus(t, secret).hostile()
	dir := filepath.Join(root, "files")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, f := range all {
		f.make(filepath.Join(dir, fmt.Sprintf("%03d", i)))
	}
	log := filepath.Join(root, "strace")
	outcomes := traced(t, log, dir)
	if len(outcomes) != len(all) || len(all) < 60 {
		t.Fatalf("%d outcomes of %d files", len(outcomes), len(all))
	}
	for i, f := range all {
		o := outcomes[i]
		if o.Kind != ispctl.Usage || !strings.Contains(o.Error, f.want) {
			t.Errorf("%s (%s): want a refusal with %q, have kind %d: %s", o.File, f.name, f.want, o.Kind, o.Error)
		}
		if strings.ContainsFunc(o.Error, func(r rune) bool { return r < ' ' }) {
			t.Errorf("%s: a terminal would obey this reason: %q", f.name, o.Error)
		}
	}
	if names := ls(t, dir+".store"); len(names) != 0 {
		t.Errorf("left in the store: %v", names)
	}
	opened := openedFiles(t, log)
	if len(opened) < len(all) {
		t.Fatalf("only %d files were opened: the trace is broken", len(opened))
	}
	for _, path := range opened {
		if !strings.HasPrefix(path, dir+"/") && !strings.HasPrefix(path, dir+".store") && path != dir && !ordinary.MatchString(path) {
			t.Errorf("opened %s", path)
		}
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), filepath.Base(secret)) {
		t.Error("something looked at the secret")
	}
	t.Logf("%d hostile files, %d opened", len(all), len(opened))
}

// ordinary are the files that every program opens, and that sh, mount, prlimit,
// chroot and setpriv do: none of them anybody's data.
var ordinary = regexp.MustCompile(`^(/etc/ld\.so\.(cache|preload)|/(usr/)?lib(64|32)?/.*|/(usr/)?s?bin/[a-z-]+|/proc/.*|/sys/.*|/dev/null|/dev/pts/.*|/etc/localtime|/run/mount/utab.*|/etc/fstab|/spool/file-[0-9]+|/usr/share/(locale|zoneinfo).*|` + regexp.QuoteMeta(os.Args[0]) + `)$`)

// traced imports every file of a directory under strace.
func traced(t *testing.T, log, dir string) []outcome {
	t.Helper()
	cmd := exec.Command("strace", "-f", "-y", "-qq", "-s", "4096", "-e", "trace=%file", "-o", log, os.Args[0])
	cmd.Env = append(os.Environ(), importEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var all []outcome
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		var o outcome
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		all = append(all, o)
	}
	return all
}

// opening is a call that opens a file, or runs it, and succeeded; or one whose end
// is in another line. With -y, strace says of what directory a name is.
var opening = regexp.MustCompile(`\b(?:open|openat|openat2|creat|execve)\((?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"([^"]*)".*(?:= \d+(?:<.*>)?|<unfinished \.\.\.>)$`)

func openedFiles(t *testing.T, log string) []string {
	t.Helper()
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var paths []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := opening.FindStringSubmatch(lines.Text())
		switch {
		case m == nil:
		case filepath.IsAbs(m[2]) || m[1] == "":
			paths = append(paths, filepath.Clean(m[2]))
		default:
			paths = append(paths, filepath.Join(m[1], m[2]))
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// TestTraceSees holds the oracle against qemu-img without a judge: a backing file
// is opened, and the trace shows it.
func TestTraceSees(t *testing.T) {
	dir := t.TempDir()
	secret, image, log := filepath.Join(dir, "secret"), filepath.Join(dir, "image"), filepath.Join(dir, "strace")
	writeFile(t, secret, bootable(1<<20))
	testkit.Sh(t, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, image)
	testkit.Sh(t, "strace", "-f", "-y", "-qq", "-s", "4096", "-e", "trace=%file", "-o", log, "qemu-img", "convert", "-O", "raw", image, filepath.Join(dir, "out"))
	if !slices.Contains(openedFiles(t, log), secret) {
		t.Error("the secret was opened, and the trace does not show it")
	}
}

// TestSoundImages imports each format, plain and packed, and compares the disk
// with the one that it was made of.
func TestSoundImages(t *testing.T) {
	testkit.Need(t, testkit.Root)
	c := newCorpus(t, "/nowhere")
	raw := c.sound("raw")
	testkit.Sh(t, "sh", "-ec", `cd "$0"; gzip -k raw; xz -k raw; zstd -q raw; tar cf raw.tar raw; tar cJf vmdk.txz vmdk
		mkdir ova; cp vmdk-s ova/disk.vmdk; echo '<x/>' >ova/a.ovf; tar -C ova -cf ova.tar a.ovf disk.vmdk`, c.dir)
	c.zipped("disk.raw", 0o644, c.read("raw"), nil)(c.sound("raw.zip"))
	want, err := hashFile(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{Dir: filepath.Join(t.TempDir(), "store")}
	for _, name := range []string{
		"raw", "qcow2", "qcow2-2", "qcow2-c", "qcow2-z", "qcow2-512", "vmdk", "vmdk-s", "vmdk-f", "vhdx", "vhdx-f", "vdi", "vdi-f",
		"raw.gz", "raw.xz", "raw.zst", "raw.tar", "raw.zip", "vmdk.txz", "ova.tar",
	} {
		t.Run(name, func(t *testing.T) {
			image, err := Import(t.Context(), s, c.sound(name), ImportOptions{Name: "x", Source: name, Largest: mostHostile})
			if err != nil {
				t.Fatal(err)
			}
			m, err := s.Manifest(image.Digest)
			if err != nil || m.SHA256[diskFile] != want || m.Source != name || !image.DiskBoot || image.Size != ispctl.MiB {
				t.Errorf("%+v, %+v, %v", image, m, err)
			}
			origin, err := hashFile(t.Context(), c.sound(name))
			if err != nil || m.Origin != origin {
				t.Errorf("origin %s, %v", m.Origin, err)
			}
			if err := s.Verify(t.Context(), image.Digest); err != nil {
				t.Error(err)
			}
			if names := ls(t, filepath.Join(s.Dir, image.Digest)); !slices.Equal(names, []string{builtFile, diskFile, manifestFile}) {
				t.Errorf("it holds %v", names)
			}
			var st unix.Stat_t
			if err := unix.Stat(filepath.Join(s.Dir, image.Digest, diskFile), &st); err != nil || st.Uid != 0 || st.Mode&0o7777 != 0o444 || st.Nlink != 1 {
				t.Errorf("uid %d, mode %o, %d links, %v", st.Uid, st.Mode, st.Nlink, err)
			}
		})
	}
	// A VHD's disk is as large as its geometry, with zeros at the end.
	for _, name := range []string{"vhd", "vhd-f"} {
		image, err := Import(t.Context(), s, c.sound(name), ImportOptions{Name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Sh(t, "qemu-img", "compare", "-f", "raw", "-F", "raw", raw, filepath.Join(s.Dir, image.Digest, diskFile))
	}
}

// TestImportWithKernel takes a bare file system with what boots it, as our own
// images are.
func TestImportWithKernel(t *testing.T) {
	testkit.Need(t, testkit.Root)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	testkit.Sh(t, "mke2fs", "-q", "-t", "ext4", file("disk"), "8M")
	writeFile(t, file("kernel"), []byte("k"))
	writeFile(t, file("initrd"), []byte("i"))
	s := &Store{Dir: file("store")}
	o := ImportOptions{Name: "x", Kernel: file("kernel"), Initrd: file("initrd"), Cmdline: "root=/dev/vda"}
	image, err := Import(t.Context(), s, file("disk"), o)
	if err != nil || image.DiskBoot || image.Cmdline != o.Cmdline {
		t.Fatalf("%+v, %v", image, err)
	}
	o.Kernel = "/dev/zero"
	if _, err := Import(t.Context(), s, file("disk"), o); ispctl.KindOf(err) != ispctl.Usage || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a device for a kernel: %v", err)
	}
	if _, err := Import(t.Context(), s, file("disk"), ImportOptions{Name: "x"}); ispctl.KindOf(err) != ispctl.Usage || !strings.Contains(err.Error(), "without a boot loader") {
		t.Errorf("no kernel: %v", err)
	}
	if names := ls(t, s.Dir); !slices.Equal(names, []string{image.Digest}) {
		t.Errorf("the store holds %v", names)
	}
}

// TestImportOddFiles never waits, and never opens what is no file.
func TestImportOddFiles(t *testing.T) {
	testkit.Need(t, testkit.Root)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "disk"), bootable(1<<20))
	s := &Store{Dir: filepath.Join(dir, "store")}
	for path, want := range map[string]ispctl.ErrorKind{
		fifo: ispctl.Usage, dir: ispctl.Usage, "/dev/zero": ispctl.Usage, filepath.Join(dir, "none"): ispctl.NotFound,
	} {
		if _, err := Import(t.Context(), s, path, ImportOptions{Name: "x"}); ispctl.KindOf(err) != want || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	_, err := Import(t.Context(), s, filepath.Join(dir, "disk"), ImportOptions{Name: "x", SHA256: strings.Repeat("0", 64)})
	if ispctl.KindOf(err) != ispctl.Usage || !strings.Contains(err.Error(), "has sha256") {
		t.Errorf("another checksum: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Import(ctx, s, filepath.Join(dir, "disk"), ImportOptions{Name: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if names := ls(t, s.Dir); len(names) != 0 {
		t.Errorf("left in the store: %v", names)
	}
}

// TestNoSpace fills the store's file system at each step of an import. What was
// there stays, and nothing else does.
func TestNoSpace(t *testing.T) {
	testkit.Need(t, testkit.Root)
	dir := t.TempDir()
	noise := filepath.Join(dir, "noise")
	testkit.Sh(t, "sh", "-ec", `head -c 12000000 /dev/urandom >"$0.raw"; printf '\125\252' | dd of="$0.raw" bs=1 seek=510 conv=notrunc status=none
		truncate -s 12M "$0.raw"; qemu-img convert -f raw -O qcow2 "$0.raw" "$0.qcow2"; gzip -k "$0.raw"
		head -c 1000 "$0.raw" >"$0.small"; truncate -s 1M "$0.small"`, noise)
	store := filepath.Join(dir, "store")
	if err := os.Mkdir(store, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", store, "tmpfs", 0, "size=20m"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(store, unix.MNT_DETACH) //nolint:errcheck // it is empty by then, or the test has failed
	s := &Store{Dir: store}
	kept, err := Import(t.Context(), s, noise+".small", ImportOptions{Name: "small"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, file string }{
		{"before the conversion", noise + ".qcow2"},
		{"while it is unpacked", noise + ".raw.gz"},
	} {
		_, err := Import(t.Context(), s, tt.file, ImportOptions{Name: "x"})
		if ispctl.KindOf(err) != ispctl.Failed || !strings.Contains(err.Error(), "no space left in the image store") || !strings.Contains(err.Error(), "image prune") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if names := ls(t, store); !slices.Equal(names, []string{kept.Digest}) {
			t.Errorf("%s: left %v", tt.name, names)
		}
	}
	// While a converter writes, somebody else takes the room that there was.
	sp := &spool{dir: filepath.Join(store, ".stage-x", "spool"), largest: ispctl.GiB}
	if err := os.MkdirAll(sp.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(sp.dir, jail.UID, jail.UID); err != nil {
		t.Fatal(err)
	}
	testkit.Sh(t, "cp", noise+".qcow2", sp.path("in"))
	err = jail.Program{
		Argv: []string{"qemu-img", "convert", "-f", "qcow2", "-O", "raw", "/spool/in", "/spool/out"}, Dir: sp.dir,
		Memory: 4 * ispctl.GiB, FileSize: ispctl.GiB, CPU: 60e9,
	}.Run(t.Context())
	if got := diskFull(err); !strings.Contains(got.Error(), "no space left in the image store") {
		t.Errorf("the converter's own words: %v", got)
	}
}
