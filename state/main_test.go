package state_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/state"
)

var inst = ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}

// childEnv tells a test binary that was started by a test what it is to do:
// other processes are the only ones that locks of files and databases are
// about.
const childEnv = "ISPCTL_STATE_CHILD"

func TestMain(m *testing.M) {
	work := os.Getenv(childEnv)
	if work == "" {
		os.Exit(m.Run())
	}
	root, arg := os.Args[1], os.Args[2]
	if err := map[string]func(root, arg string) error{"write": childWrites, "lock": childLocks}[work](root, arg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const childWritesEach = 20

// childWrites adds addresses, one transaction each, in the net that arg tells.
func childWrites(root, arg string) error {
	ctx := context.Background()
	s, err := state.Open(ctx, inst, ispctl.Paths{Root: root})
	if err != nil {
		return err
	}
	for i := range childWritesEach {
		addr, err := netip.ParseAddr("198.51." + arg + "." + strconv.Itoa(i+1))
		if err != nil {
			return err
		}
		if _, err := s.Update(ctx, state.Entry{}, func(tx *state.Tx) error { return tx.PutAddress(ispctl.Address{Addr: addr}) }); err != nil {
			return err
		}
	}
	return s.Close()
}

// childLocks takes the host lock, says so, and holds it until its input ends.
func childLocks(root, _ string) error {
	if _, err := state.Lock(context.Background(), ispctl.Paths{Root: root}, time.Minute); err != nil {
		return err
	}
	fmt.Println("locked")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func child(t testing.TB, work, root, arg string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, root, arg)
	cmd.Env = append(os.Environ(), childEnv+"="+work)
	cmd.Stderr = os.Stderr
	return cmd
}

func open(t testing.TB, root string) *state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), inst, ispctl.Paths{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func modelOf(t testing.TB, s *state.Store) *ispctl.Model {
	t.Helper()
	m, err := s.Model(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func update(t testing.TB, s *state.Store, fn func(*state.Tx) error) *ispctl.Model {
	t.Helper()
	m, err := s.Update(t.Context(), state.Entry{Actor: "test", Operation: "test"}, fn)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// comparable compares addresses and prefixes by ==.
var comparable = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func TestTwoProcessesOpenAndWrite(t *testing.T) {
	root := t.TempDir()
	var children []*exec.Cmd
	for i := range 4 {
		c := child(t, "write", root, strconv.Itoa(100+i))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, c)
	}
	var errs []error
	for _, c := range children {
		errs = append(errs, c.Wait())
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	s := open(t, root)
	if got := len(modelOf(t, s).Addresses); got != 4*childWritesEach {
		t.Errorf("want %d addresses, have %d", 4*childWritesEach, got)
	}
	journal, err := s.Journal(t.Context(), 1000)
	if err != nil || len(journal) != 4*childWritesEach {
		t.Errorf("want %d entries in the journal, have %d, %v", 4*childWritesEach, len(journal), err)
	}
}
