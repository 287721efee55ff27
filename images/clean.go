package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ispctl"
	"ispctl/images/jail"
)

// forgotten is what one guest has of its own and another one made from its disk
// must not get: keys, who may log in, identity, histories, logs.
type forgotten struct {
	pattern string // as of path.Match for each part; ** is everything below, and the directories stay
	how     forgetting
}

type forgetting int

const (
	dropFile  forgetting = iota
	dropTree             // with the directories below
	emptyFile            // the file stays, with nothing in it
)

var forget = []forgotten{
	{"/etc/ssh/ssh_host_*", dropFile},
	{"/etc/dropbear/*", dropFile},
	{"/etc/machine-id", emptyFile}, // a missing one would have systemd take the boot for the first of all
	{"/var/lib/dbus/machine-id", dropFile},
	{"/etc/shadow-", dropFile},
	{"/etc/gshadow-", dropFile},
	{"/var/backups/**", dropFile}, // of /etc/shadow, among others
	{"/root/.ssh/**", dropFile},
	{"/home/*/.ssh/**", dropFile},
	{"/root/.*_history", dropFile},
	{"/home/*/.*_history", dropFile},
	{"/root/.lesshst", dropFile},
	{"/root/.viminfo", dropFile},
	{"/root/.cache/**", dropTree},
	{"/home/*/.cache/**", dropTree},
	{"/var/log/**", dropFile},
	{"/var/mail/**", dropFile},
	{"/var/spool/mail/**", dropFile},
	{"/tmp/**", dropTree},
	{"/var/tmp/**", dropTree},
	{"/var/lib/cloud/**", dropTree},
	{"/var/lib/ispctl/**", dropTree}, // what the guest has taken of its seed
	{"/var/lib/dhcp/**", dropFile},
	{"/var/lib/systemd/random-seed", dropFile},
	{"/var/lib/systemd/credential.secret", dropFile},
	{"/var/cache/apt/archives/**", dropFile},
}

// applies reports whether a path, as its parts, is to be forgotten, and whether
// something below it may be.
func (f forgotten) applies(parts []string) (it, below bool) {
	pattern := strings.Split(f.pattern, "/")[1:]
	for i, part := range parts {
		if i == len(pattern) {
			return false, false
		}
		if pattern[i] == "**" {
			return true, true
		}
		if ok, err := path.Match(pattern[i], part); err != nil || !ok {
			return false, false
		}
	}
	return len(parts) == len(pattern), len(parts) < len(pattern)
}

// cleaner takes out of an ext4 file system, in a file of the spool, what is to be
// forgotten. The file system is a guest's, who may have made of it what he likes:
// it is never mounted, and the programs that read it run in jail.
type cleaner struct {
	spool *spool
	disk  string
	found int // entries that were looked at
}

// The bounds of what is looked at.
const (
	mostFiles   = 1 << 20
	mostDepth   = 32
	mostListing = 64 << 20 // bytes of one directory's list
)

// clean leaves a file system that is whole, with nothing to be forgotten in it,
// not even where it is free.
func (c *cleaner) clean(ctx context.Context) error {
	// It is as a power cut would have left it: the journal first.
	if err := c.check(ctx); err != nil {
		return err
	}
	commands, err := c.commands(ctx)
	if err != nil {
		return err
	}
	if err := c.change(ctx, commands); err != nil {
		return err
	}
	// debugfs does not fail when a command of its script does.
	left, err := c.commands(ctx)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("clean the disk: debugfs did not do %q", left[0])
	}
	return c.check(ctx, "-E", "discard")
}

func (c *cleaner) file() string { return filepath.Join(jail.Spool, c.disk) }

func (c *cleaner) run(ctx context.Context, p jail.Program) error {
	p.Dir, p.Memory, p.FileSize, p.CPU = c.spool.dir, 4*ispctl.GiB, max(c.spool.largest, ispctl.GiB), 10*time.Minute
	err := p.Run(ctx)
	if errors.Is(err, jail.ErrProgram) {
		return ispctl.Conflicting("", "", "its file system cannot be cleaned: %v", err)
	}
	return err
}

// check is e2fsck(8), which says by 1 and 2 that it has mended something.
func (c *cleaner) check(ctx context.Context, args ...string) error {
	return c.run(ctx, jail.Program{Argv: slices.Concat([]string{"e2fsck", "-f", "-y"}, args, []string{c.file()}), Well: []int{1, 2, 3}})
}

// change runs debugfs(8) commands.
func (c *cleaner) change(ctx context.Context, commands []string) error {
	if len(commands) == 0 {
		return nil
	}
	name := c.spool.next()
	err := c.spool.write(name, func(f *os.File) error {
		_, err := io.WriteString(f, strings.Join(commands, "\n")+"\n")
		return err
	})
	if err != nil {
		return err
	}
	return c.run(ctx, jail.Program{Argv: []string{"debugfs", "-w", "-f", filepath.Join(jail.Spool, name), c.file()}})
}

// fsEntry is a line of debugfs' `ls -p`.
type fsEntry struct {
	name           string
	mode, uid, gid int // as of inode(7), with the type
	size           int64
}

func (e fsEntry) dir() bool { return e.mode&0o170000 == 0o040000 }

// list reads a directory that is there.
func (c *cleaner) list(ctx context.Context, dir string) ([]fsEntry, error) {
	var out bytes.Buffer
	err := c.run(ctx, jail.Program{Argv: []string{"debugfs", "-R", "ls -p " + quotedPath(dir), c.file()}, Stdout: &bounded{w: &out, left: mostListing}})
	if err != nil {
		return nil, err
	}
	var all []fsEntry
	whole := false
	for line := range strings.Lines(out.String()) {
		line = strings.TrimRight(line, "\n")
		if line == "" {
			continue
		}
		e, used, err := parseEntry(line)
		if err != nil {
			return nil, ispctl.Conflicting("", "", "has a name in %s that cannot be handled", dir)
		}
		switch {
		case !used:
		case e.name == ".":
			whole = true
		case e.name != "..":
			all = append(all, e)
		}
	}
	if !whole {
		return nil, ispctl.Conflicting("", "", "has a directory %s that cannot be read", dir)
	}
	if c.found += len(all); c.found > mostFiles {
		return nil, ispctl.Conflicting("", "", "has more than %d files to look at", mostFiles)
	}
	return all, nil
}

// plainName is of characters that mean nothing to debugfs between quotes, and
// that no message need fear.
var plainName = regexp.MustCompile(`^[^\x00-\x1f"\\/\x7f]{1,255}$`)

// parseEntry reads /INODE/MODE/UID/GID/NAME/SIZE/; the size of a directory is
// left out. One of inode 0 is not used.
func parseEntry(line string) (e fsEntry, used bool, err error) {
	f := strings.Split(line, "/")
	if len(f) != 8 || f[0] != "" || f[7] != "" {
		return e, false, fmt.Errorf("%q is no line of a list", line)
	}
	inode, err := strconv.ParseUint(f[1], 10, 64)
	if err != nil || inode == 0 {
		return e, false, err
	}
	mode, err := strconv.ParseInt(f[2], 8, 32)
	if err == nil {
		e.mode = int(mode)
		e.uid, err = strconv.Atoi(f[3])
	}
	if err == nil {
		e.gid, err = strconv.Atoi(f[4])
	}
	if err == nil && f[6] != "" {
		e.size, err = strconv.ParseInt(f[6], 10, 64)
	}
	e.name = f[5]
	if err == nil && !plainName.MatchString(e.name) {
		err = fmt.Errorf("%q is no plain name", e.name)
	}
	return e, true, err
}

func quotedPath(path string) string { return `"` + path + `"` }

// commands are those of debugfs that make the disk forget; none when there is
// nothing left to be forgotten.
func (c *cleaner) commands(ctx context.Context) ([]string, error) {
	c.found = 0
	commands, err := c.walk(ctx, nil)
	if err != nil {
		return nil, err
	}
	locked, err := c.lockPasswords(ctx)
	return append(commands, locked...), err
}

func (c *cleaner) walk(ctx context.Context, dir []string) ([]string, error) {
	if len(dir) > mostDepth {
		return nil, ispctl.Conflicting("", "", "has directories more than %d deep at /%s", mostDepth, strings.Join(dir, "/"))
	}
	entries, err := c.list(ctx, "/"+strings.Join(dir, "/"))
	if err != nil {
		return nil, err
	}
	var commands []string
	for _, e := range entries {
		parts := append(slices.Clone(dir), e.name)
		it, below, how := whether(parts)
		at := quotedPath("/" + strings.Join(parts, "/"))
		switch {
		case e.dir() && below:
			inner, err := c.walk(ctx, parts)
			if err != nil {
				return nil, err
			}
			commands = append(commands, inner...)
			if it && how == dropTree {
				commands = append(commands, "rmdir "+at)
			}
		case e.dir() || !it:
		case how != emptyFile:
			commands = append(commands, "rm "+at)
		case e.size > 0:
			more, err := c.replace("/"+strings.Join(dir, "/"), e, nil)
			if err != nil {
				return nil, err
			}
			commands = append(commands, more...)
		}
	}
	return commands, nil
}

func whether(parts []string) (it, below bool, how forgetting) {
	for _, f := range forget {
		this, deeper := f.applies(parts)
		if this {
			how = f.how
		}
		it, below = it || this, below || deeper
	}
	return it, below, how
}

// replace are the commands that put a file in the place of another one.
func (c *cleaner) replace(dir string, e fsEntry, content []byte) ([]string, error) {
	name := c.spool.next()
	err := c.spool.write(name, func(f *os.File) error {
		_, err := f.Write(content)
		return err
	})
	at := quotedPath(path.Join(dir, e.name))
	return []string{
		"cd " + quotedPath(dir), "rm " + at, fmt.Sprintf("write %s %s", filepath.Join(jail.Spool, name), quotedPath(e.name)),
		fmt.Sprintf("sif %s mode 0%o", at, e.mode), fmt.Sprintf("sif %s uid %d", at, e.uid), fmt.Sprintf("sif %s gid %d", at, e.gid),
	}, err
}

// mostShadow is far more than any /etc/shadow needs.
const mostShadow = 1 << 20

// lockPasswords are the commands after which no password of the guest's is one
// of /etc/shadow; see shadow(5).
func (c *cleaner) lockPasswords(ctx context.Context) ([]string, error) {
	root, err := c.list(ctx, "/")
	if err != nil || !slices.ContainsFunc(root, func(e fsEntry) bool { return e.name == "etc" && e.dir() }) {
		return nil, err
	}
	etc, err := c.list(ctx, "/etc")
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(etc, func(e fsEntry) bool { return e.name == "shadow" })
	if i < 0 {
		return nil, nil
	}
	if etc[i].mode&0o170000 != 0o100000 || etc[i].size > mostShadow {
		return nil, ispctl.Conflicting("", "", "has a /etc/shadow that is no file of at most 1 MiB")
	}
	var out bytes.Buffer
	err = c.run(ctx, jail.Program{Argv: []string{"debugfs", "-R", `cat "/etc/shadow"`, c.file()}, Stdout: &bounded{w: &out, left: mostShadow}})
	if err != nil {
		return nil, err
	}
	if int64(out.Len()) != etc[i].size {
		return nil, ispctl.Conflicting("", "", "has a /etc/shadow that cannot be read")
	}
	locked := lockShadow(out.Bytes())
	if bytes.Equal(locked, out.Bytes()) {
		return nil, nil
	}
	return c.replace("/etc", etc[i], locked)
}

// lockShadow puts * in the place of passwords.
func lockShadow(text []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		f := bytes.SplitN(line, []byte(":"), 3)
		if len(f) == 3 && len(f[1]) > 0 && (bytes.ContainsRune(f[1], '$') || f[1][0] != '!' && f[1][0] != '*') {
			f[1] = []byte("*")
			line = bytes.Join(f, []byte(":"))
		}
		b.Write(line)
	}
	return b.Bytes()
}

// bounded fails once more was written than there is to be.
type bounded struct {
	w    io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("says more than is taken")
	}
	return b.w.Write(p)
}
