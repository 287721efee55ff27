package cli_test

import (
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/cli"
	"ispctl/internal/testkit"
	"ispctl/state"
	"ispctl/vm"
)

// exits is what a command line must come to.
type exits struct {
	line string
	code int
	say  string // in what goes to stderr
}

func (e exits) check(t *testing.T, root string) {
	t.Helper()
	r := run(t, root, strings.Fields(e.line)...)
	if r.code != e.code || !strings.Contains(r.err, e.say) {
		t.Errorf("ispctl %s: exit %d, want %d and %q\n%s%s", e.line, r.code, e.code, e.say, r.out, r.err)
	}
	if r.code != 0 && r.out != "" {
		t.Errorf("ispctl %s: an error, and on stdout: %s", e.line, r.out)
	}
}

// TestExitCodes needs nothing of the kernel: these fail before, or only look.
func TestExitCodes(t *testing.T) {
	root := world(t)
	for _, e := range []exits{
		{"zone list", 0, ""},
		{"zone list -o json", 0, ""},
		{"", 2, "which command?"},
		{"zone", 2, "which verb?"},
		{"zoen list", 2, "did you mean: zone"},
		{"zone lst", 2, "did you mean: set, list"},
		{"zone list --nope", 2, "unknown flag: --nope"},
		{"zone list extra", 2, "wants no argument, has 1"},
		{"zone show", 2, "wants the name of a zone, has 0"},
		{"zone create dmz2", 2, "--prefix is missing"},
		{"zone create DMZ --prefix 10.0.0.0/24", 2, `zone "DMZ"`},
		{"zone create dmz2 --prefix 10.0.0.0", 2, "is not ADDRESS/LENGTH"},
		{"vm create web2 --template micro --zone dmz", 2, "no plan is named, and template \"micro\" has none"},
		{"vm create web2 --template micro --zone dmz --plan small --ssh-key /nope", 2, "ssh key file"},
		{"address remove nonsense", 2, "is no IP address"},
		{"completion tcsh", 2, "have: bash, zsh, fish"},
		{"zone show nope", 3, `zone "nope" not found (have: dmz, mail); see: ispctl zone list`},
		{"plan show nope", 3, `plan "nope" not found (have: small)`},
		{"template show nope", 3, `template "nope" not found`},
		{"image remove nope", 3, `image "nope" not found (have: micro)`},
		{"image remove nope --if-exists", 0, ""},
		{"image show nope", 3, `image "nope" not found (have: micro)`},
		{"image verify nope", 3, `image "nope" not found (have: micro)`},
		{"image verify a b", 2, "wants one image at most"},
		{"image pull nope", 3, "see: ispctl image catalogue"},
		{"image pull ftp://example.org/x --name x --sha256 " + strings.Repeat("0", 64), 2, "is neither http nor https"},
		{"image pull file:///etc/passwd --name x --sha256 " + strings.Repeat("0", 64), 2, "is neither http nor https"},
		{"image pull http://127.0.0.1:9/x --name x", 2, "give --sha256, or --signature with --keyring"},
		{"image pull http://127.0.0.1:9/x --name x --signature y", 2, "give --keyring"},
		{"image pull http://127.0.0.1:9/x --sha256 " + strings.Repeat("0", 64), 2, "give --name"},
		{"image pull http://127.0.0.1:9/x --name x --sha256 beef", 2, "is no sha256"},
		{"image import x", 2, "give --name"},
		{"image import nope --name x", 3, `image file "nope": not found`},
		{"image import nope --name X", 2, "does not start with a lower-case letter"},
		{"image import nope --name x --kernel k", 2, "go together"},
		{"image import nope --name x --max-size 3", 2, "3"},
		{"image build micro --packages nginx", 2, "takes no more packages"},
		{"image build debian-12 --packages -oDebug=1", 2, "is no name of a Debian package"},
		{"image build debian-12 --release ../x", 2, "is no code name"},
		{"image prune", 0, ""},
		{"image remove micro", 5, "is in use by vm mail1, web1"},
	} {
		e.check(t, root)
	}
	empty := t.TempDir()
	exits{"zone list", 3, "run: ispctl init"}.check(t, empty)
	if !vm.XenHere() {
		exits{"init --hypervisor xen-pvh", 5, "does not run on Xen"}.check(t, empty)
	}
	exits{"init --hypervisor xen:///system", 2, "is not pv, pvh or hvm on Xen"}.check(t, empty)
}

// TestExitCodesOfChanges runs what opens the layers.
func TestExitCodesOfChanges(t *testing.T) {
	reading(t)
	root := world(t)
	for _, e := range []exits{
		{"zone create dmz --prefix 10.30.0.0/24", 5, "is there already"},
		{"zone create lab --prefix 10.10.0.0/25", 5, "overlaps"},
		{"zone delete dmz", 5, "is in use by vm web1"},
		{"zone delete nope", 3, "not found"},
		{"plan delete small", 5, "is in use by vm mail1, web1"},
		{"address remove 203.0.113.10", 5, "is in use by zone dmz"},
		{"address add 203.0.113.10", 5, "is there already"},
		{"forward add 203.0.113.10:2222/tcp mail1:25", 5, "is carried to web1:22 already"},
		{"forward add 203.0.113.10:25/tcp nope:25", 3, `vm "nope" not found`},
		{"vm create web1 --template micro --zone dmz --plan small", 5, "is there already"},
		{"vm create web2 --template micro --zone nope --plan small", 3, `zone "nope" not found`},
		{"vm create web2 --template debian-12 --zone dmz --plan small", 3, "run: ispctl image build debian-12"},
		{"vm show nope", 3, `vm "nope" not found (have: mail1, web1)`},
		{"vm destroy nope", 3, "not found"},
	} {
		e.check(t, root)
	}
	if r := run(t, root, "converge", "--dry-run", "--detailed-exitcode"); r.code != 10 || !strings.Contains(r.out, "ip link add name isp-dmz") {
		t.Errorf("changes are pending: exit %d\n%s%s", r.code, r.out, r.err)
	}
}

func TestLockedIsAConflict(t *testing.T) {
	root := world(t)
	unlock, err := state.Lock(t.Context(), ispctl.Paths{Root: root}, time.Second)
	check(t, err)
	exits{"image remove nope --lock-timeout 10ms", 5, "another ispctl has been at work for 10ms"}.check(t, root)
	check(t, unlock())
	exits{"image remove nope --lock-timeout 10ms", 3, "not found"}.check(t, root)
}

func TestNoPermission(t *testing.T) {
	testkit.Need(t, testkit.Root)
	root := world(t)
	check(t, os.Chmod(ispctl.Paths{Root: root}.Config(), 0o600))
	// This thread opens files as nobody (setfsuid(2)).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, err := unix.SetfsuidRetUid(65534)
	check(t, err)
	defer func() {
		_, err := unix.SetfsuidRetUid(0)
		check(t, err)
	}()
	exits{"zone list", 4, "run ispctl as root"}.check(t, root)
}

func TestBrokenDatabaseIsAFailure(t *testing.T) {
	root := world(t)
	check(t, os.WriteFile(ispctl.Paths{Root: root}.Database(), []byte(strings.Repeat("no database", 1000)), 0o600))
	exits{"zone list", 1, "ispctl.db"}.check(t, root)
}

// TestConfirm destroys a VM, if the answer is yes.
func TestConfirm(t *testing.T) {
	const question = "Destroy vm web1 and all that is on the disk? [y/N] "
	for name, c := range map[string]struct {
		in       io.Reader
		terminal bool
		args     []string
		code     int
		asked    bool
		gone     bool
	}{
		"yes":           {strings.NewReader("y\n"), true, nil, 0, true, true},
		"Yes, in words": {strings.NewReader("YES\n"), true, nil, 0, true, true},
		"no":            {strings.NewReader("n\n"), true, nil, 2, true, false},
		"nothing":       {strings.NewReader("\n"), true, nil, 2, true, false},
		"the end":       {strings.NewReader(""), true, nil, 1, true, false},
		"a broken pipe": {iotest.ErrReader(unix.EIO), true, nil, 1, true, false},
		"--yes":         {strings.NewReader("n\n"), true, []string{"--yes"}, 0, false, true},
		"no terminal":   {strings.NewReader("n\n"), false, nil, 0, false, true},
		"dry run":       {strings.NewReader("n\n"), true, []string{"--dry-run"}, 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			reading(t)
			root := worldThatConverges(t)
			r := runWith(t, root, cli.Streams{In: c.in, Terminal: c.terminal}, append([]string{"vm", "destroy", "web1"}, c.args...)...)
			if r.code != c.code || strings.Contains(r.err, question) != c.asked {
				t.Errorf("exit %d, want %d; asked: want %t\n%s%s", r.code, c.code, c.asked, r.out, r.err)
			}
			if names := ok(t, root, "vm", "list", "-o", "name"); strings.Contains(names, "web1") == c.gone {
				t.Errorf("there are now:\n%s", names)
			}
		})
	}
}

// TestTimedOut waits for a guest that never answers: on the test driver none
// does.
func TestTimedOut(t *testing.T) {
	reading(t)
	root := worldThatConverges(t)
	exits{"vm start web1 --wait --timeout 10ms", 6, "did not answer within 10ms"}.checkCode(t, root)
}

// checkCode is check for a command that has done something before it failed.
func (e exits) checkCode(t *testing.T, root string) {
	t.Helper()
	r := run(t, root, strings.Fields(e.line)...)
	if r.code != e.code || !strings.Contains(r.err, e.say) {
		t.Errorf("ispctl %s: exit %d, want %d and %q\n%s%s", e.line, r.code, e.code, e.say, r.out, r.err)
	}
}
