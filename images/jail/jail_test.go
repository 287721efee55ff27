package jail

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ispctl"
	"ispctl/internal/testkit"
)

// run runs a script in jail and returns what it wrote.
func run(t *testing.T, script string, change func(*Program)) (string, error) {
	t.Helper()
	testkit.Need(t, testkit.Root)
	dir := filepath.Join(t.TempDir(), "spool")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, UID, UID)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := Program{Argv: []string{"sh", "-c", script}, Dir: dir, Stdout: &out, Memory: ispctl.GiB, FileSize: ispctl.MiB, CPU: 10 * time.Second}
	if change != nil {
		change(&p)
	}
	err := p.Run(t.Context())
	entries, errDir := os.ReadDir(filepath.Dir(dir))
	if errDir != nil || len(entries) != 1 {
		t.Errorf("left beside the spool: %v, %v", entries, errDir)
	}
	return strings.TrimSpace(out.String()), err
}

// TestJail asks the program itself what it has.
func TestJail(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	for name, tt := range map[string]struct{ script, want string }{
		"files":                        {"cd / && echo *", "bin etc lib lib64 sbin spool usr"},
		"etc":                          {"cd /etc && echo *", "ld.so.cache"},
		"user":                         {"id -u; id -g; id -G", "2013265920\n2013265920\n2013265920"},
		"no proc":                      {"test -e /proc/self || echo none", "none"},
		"no device":                    {"test -e /dev/null || echo none", "none"},
		"spool":                        {"echo x >/spool/y && cat /spool/y", "x"},
		"nowhere else":                 {"(echo x >/usr/x || echo x >/etc/x || echo x >/x || echo x >/bin/x) 2>/spool/e; grep -c . /spool/e", "4"},
		"no network":                   {"python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", " + port + "))' 2>&1 | grep -o 'Network is unreachable\\|Connection refused'", "Network is unreachable"},
		"no root by a bit of the mode": {"cp /bin/sh /spool/s; chmod u+s /spool/s; /spool/s -c id 2>&1 | grep -o 'Permission denied'", "Permission denied"},
		"no mount":                     {"mount -t tmpfs x /spool 2>/spool/e || echo refused", "refused"},
		"no user namespace with rights over the host's files": {"unshare -r cat /etc/shadow 2>&1 | grep -c .", "1"},
		"own processes": {"kill -9 -1 2>/dev/null; echo alive", "alive"},
		"no core":       {"ulimit -c", "0"},
		"environment":   {"env | cut -d= -f1 | sort | tr '\\n' ' '", "LC_ALL MALLOC_ARENA_MAX OLDPWD PATH PWD"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := run(t, tt.script, nil); got != tt.want {
				t.Errorf("want %q, have %q (%v)", tt.want, got, err)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	for name, tt := range map[string]struct{ script, want string }{
		"file size": {"head -c 5000000 /usr/bin/mke2fs /usr/bin/python3 /usr/bin/qemu-img >/spool/x", "File size limit exceeded"},
		"memory":    {"python3 -c 'x = bytearray(3 << 30)'", "MemoryError"},
		"time":      {"while :; do :; done", "signal: killed"},
		"failure":   {"echo why >&2; exit 3", "exit status 3: why"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := run(t, tt.script, func(p *Program) { p.CPU = time.Second })
			if !errors.Is(err, ErrProgram) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q, have %v", tt.want, err)
			}
		})
	}
}

// TestSaysNothingToTerminals takes control characters out of what a program
// quotes of a file.
func TestSaysNothingToTerminals(t *testing.T) {
	_, err := run(t, `printf 'a\033]0;x\007b\n' >&2; exit 1`, nil)
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\x07\n") || !strings.HasSuffix(err.Error(), "a ]0;x b") {
		t.Errorf("%q", err)
	}
}

// TestCancelled ends a program with its context, and all that it has started.
func TestCancelled(t *testing.T) {
	testkit.Need(t, testkit.Root)
	dir := filepath.Join(t.TempDir(), "spool")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, UID, UID)); err != nil {
		t.Fatal(err)
	}
	tag := strconv.FormatInt(time.Now().UnixNano(), 10)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	err := Program{
		Argv: []string{"sh", "-c", "trap '' TERM INT HUP; sleep 600." + tag + " | sleep 600." + tag}, Dir: dir,
		Memory: ispctl.GiB, CPU: time.Minute,
	}.Run(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
	if out, err := exec.Command("pgrep", "-f", "sleep 600."+tag).Output(); err == nil {
		t.Errorf("lives on: %s", out)
	}
}
