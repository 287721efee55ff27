package integration

import (
	"bufio"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ispctl/operations"
)

// server is an `ispctl serve`, and what it said.
type server struct {
	t   testing.TB
	cmd *exec.Cmd

	mu   sync.Mutex
	said []string
	more chan struct{}
}

// serve starts one and waits until it is ready. It is killed after the test, if
// it still runs.
func (w *world) serve() *server {
	w.t.Helper()
	s := &server{t: w.t, cmd: w.command("serve"), more: make(chan struct{}, 1)}
	out, err := s.cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			s.end(unix.SIGKILL)
		}
	})
	go s.listen(out)
	s.says("ready")
	return s
}

func (s *server) listen(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		s.mu.Lock()
		s.said = append(s.said, lines.Text())
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
	}
}

// says waits until a line that holds text is said, and takes it and what was
// said before it.
func (s *server) says(text string) string {
	s.t.Helper()
	late := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		for i, line := range s.said {
			if strings.Contains(line, text) {
				s.said = s.said[i+1:]
				s.mu.Unlock()
				return line
			}
		}
		all := strings.Join(s.said, "\n")
		s.mu.Unlock()
		select {
		case <-s.more:
		case <-late:
			s.t.Fatalf("serve never said %q, but:\n%s", text, all)
		}
	}
}

// end sends a signal, waits until the process has ended, and returns its exit
// code, -1 for one that was killed.
func (s *server) end(sig unix.Signal) int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Error(err)
	}
	_ = s.cmd.Wait() // its code is what is asked for
	return s.cmd.ProcessState.ExitCode()
}

// TestServe: there is one of it, status knows, it makes what is missing when it
// starts, ends in order when it is told to, and harms nothing when it is killed.
func TestServe(t *testing.T) {
	w := newWorld(t, "test:///default")
	w.ok("zone", "create", "dmz", "--prefix", "10.10.0.0/24")
	serving := func() operations.ServeView {
		var s operations.StatusView
		w.show(&s, "status")
		if len(s.Pending) != 0 {
			t.Errorf("pending: %q", s.Pending)
		}
		return s.Serve
	}
	if v := serving(); v.Running {
		t.Errorf("before: %+v", v)
	}
	w.in(w.provider, "ip", "link", "del", "isp-dmz")
	s := w.serve()
	s.says("changes") // made by its first pass, or by its watch before that
	if v := serving(); !v.Running || v.PID != s.cmd.Process.Pid {
		t.Errorf("status says %+v of process %d", v, s.cmd.Process.Pid)
	}
	w.fails(5, "runs already", "serve")
	if code := s.end(unix.SIGTERM); code != 0 {
		t.Errorf("told to end: exit %d", code)
	}
	s.says("ends")
	again := w.serve()
	again.end(unix.SIGKILL)
	if v := serving(); v.Running {
		t.Errorf("killed: %+v", v)
	}
	third := w.serve()
	if v := serving(); v.PID != third.cmd.Process.Pid {
		t.Errorf("after a kill: %+v", v)
	}
}
