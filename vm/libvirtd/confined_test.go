package libvirtd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ispctl/internal/testkit"
)

// TestConfined reads from /proc what the process of a guest is and has: a user
// of its own, no capability, no way to more of them, a filter of system calls,
// and of files its own disk, seed and log and the image, which it can only read.
func TestConfined(t *testing.T) {
	if !enter(t) {
		return
	}
	h, paths := embedded(t)
	m := worldModels()[2]
	bring(t, h, wanted(t, m))
	owners := map[string]bool{}
	for guest := range m.Guests() {
		pids := qemus(t)[guest.UUID]
		if len(pids) != 1 {
			t.Fatalf("%s: processes %v", guest.Name, pids)
		}
		uid := fmt.Sprint(inst.GuestUID(guest.ID))
		owners[uid] = true
		four := strings.Join([]string{uid, uid, uid, uid}, "\t")
		for field, want := range map[string]string{
			"Uid": four, "Gid": four, "Groups": uid, "CapInh": none, "CapPrm": none, "CapEff": none, "CapAmb": none, "NoNewPrivs": "1", "Seccomp": "2",
		} {
			if got := status(t, pids[0], field); got != want {
				t.Errorf("%s: %s is %q, want %q", guest.Name, field, got, want)
			}
		}
		own := map[string]bool{
			paths.Disk(guest.UUID): true, paths.Seed(guest.UUID): true, paths.SerialLog(guest.UUID): true,
			paths.ImageDisk(guest.Image): true, "/dev/null": true, "/dev/ptmx": true, "/dev/pts/ptmx": true, "/dev/net/tun": true, "/dev/urandom": true,
		}
		files := held(t, pids[0])
		for file := range files {
			if strings.HasPrefix(file, "/") && !own[file] && !strings.HasPrefix(file, paths.Embed()+"/log/") && !strings.HasPrefix(file, paths.Embed()+"/run/") {
				t.Errorf("%s has %s open", guest.Name, file)
			}
		}
		if !files[paths.Disk(guest.UUID)] {
			t.Errorf("%s has not even its disk open: %v", guest.Name, files)
		}
		if got := testkit.Sh(t, "stat", "-c", "%u %a", paths.Disk(guest.UUID)); got != uid+" 644\n" && got != uid+" 600\n" {
			t.Errorf("%s: the disk's owner and mode are %s", guest.Name, got)
		}
	}
	if len(owners) != len(slices.Collect(m.Guests())) || len(owners) < 2 {
		t.Errorf("%d guests have %d users", len(slices.Collect(m.Guests())), len(owners))
	}
}

const none = "0000000000000000"

// status is a field of /proc/PID/status.
func status(t testing.TB, pid, field string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %s in %s", field, text)
	return ""
}

// held is what a process has open.
func held(t testing.TB, pid string) map[string]bool {
	t.Helper()
	links, err := filepath.Glob(filepath.Join("/proc", pid, "fd/*"))
	must(t, err)
	files := map[string]bool{}
	for _, link := range links {
		if file, err := os.Readlink(link); err == nil {
			files[file] = true
		}
	}
	return files
}
