package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ispctl"
)

// Copy is the copying of a disk that a snapshot holds, while its guest goes on.
type Copy struct {
	From, Backing string      // the disk, and what it lies over
	Tag           string      // of the snapshot, in the disk
	Size          ispctl.Size // that the new disk is to have; 0: as From
	UID           int64       // whose the disk is
	To            string      // a name that is free
	Alone         bool        // To holds everything, and lies over nothing
	Raw           bool        // To is raw, and alone
}

// Run copies. It reads as the user whose disk it is: a guest's process that was
// taken over can write what it likes into the disk's header, and gets at no file
// by it that it could not read itself.
func (c Copy) Run(ctx context.Context) error {
	o, err := readDisk(c.From)
	if err != nil {
		return err
	}
	if o.Backing != c.Backing {
		return ispctl.Conflicting("disk", c.From, "lies over %s, not %s", o.Backing, c.Backing)
	}
	if err := c.makeTarget(max(c.Size, o.Size)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "qemu-img", c.args()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(c.UID), Gid: uint32(c.UID), Groups: []uint32{}}, Pdeathsig: syscall.SIGKILL,
	}
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	said := strings.TrimSpace(string(out))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return missingTool("qemu-img", "qemu-utils")
	case err != nil && strings.Contains(said, "No space left"):
		return noSpace(said)
	case err != nil:
		return fmt.Errorf("copy disk %s: qemu-img: %w: %s", c.From, err, said)
	}
	return syncFile(c.To)
}

// makeTarget makes the file that is written to: that user's.
func (c Copy) makeTarget(size ispctl.Size) error {
	switch {
	case c.Raw:
		f, err := os.OpenFile(c.To, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Truncate(int64(size)), f.Close()); err != nil {
			return err
		}
	case c.Alone:
		if err := CreateOverlay(c.To, "", size); err != nil {
			return err
		}
	default:
		if err := CreateOverlay(c.To, c.Backing, size); err != nil {
			return err
		}
	}
	return os.Lchown(c.To, int(c.UID), int(c.UID))
}

func (c Copy) args() []string {
	comma := func(path string) string { return strings.ReplaceAll(path, ",", ",,") }
	from := "driver=qcow2,file.driver=file,file.filename=" + comma(c.From)
	if c.Backing != "" {
		from += ",backing.driver=raw,backing.file.driver=file,backing.file.filename=" + comma(c.Backing)
	}
	format := "qcow2"
	if c.Raw {
		format = "raw"
	}
	args := []string{"convert", "-q", "-U", "-n"}
	if c.Alone || c.Raw || c.Backing == "" {
		args = append(args, "--target-is-zero")
	} else {
		args = append(args, "-B", c.Backing, "-F", "raw")
	}
	if c.Tag != "" {
		args = append(args, "-l", "snapshot.name="+c.Tag)
	}
	return append(args, "--image-opts", from, "--target-image-opts", "driver="+format+",file.driver=file,file.filename="+comma(c.To))
}

// A copy is made in a directory beside the guests', .UUID.copy, that is locked for
// as long as whoever makes it lives. One that nobody has locked is what somebody
// left who was killed: what is in it becomes the disk of the guest of that name,
// if there is to be one, and goes otherwise.

// copyName is the name of that directory.
func copyName(uuid string) string { return "." + uuid + ".copy" }

// isCopy reports whether a name is of such a directory, and of which guest.
func isCopy(name string) (uuid string, is bool) {
	uuid, is = strings.CutSuffix(strings.TrimPrefix(name, "."), ".copy")
	return uuid, is && strings.HasPrefix(name, ".") && uuidPattern.MatchString(uuid)
}

// CopyPlace makes the directory for the copies of a guest that is to be, and
// locks it. The caller calls done when nobody needs it any more.
func CopyPlace(paths ispctl.Paths, uuid string) (dir string, done func() error, err error) {
	dir = filepath.Join(paths.Guests(), copyName(uuid))
	if err := makeDirs(paths.Guests(), dirMode); err != nil {
		return "", nil, err
	}
	if err := makeDirs(dir, dirMode); err != nil {
		return "", nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return "", nil, err
	}
	return dir, func() error { return errors.Join(os.RemoveAll(dir), lock.Close()) }, nil
}

// CopiedDisk is the name, in that directory, of the first disk of the guest to
// be.
const CopiedDisk = "disk.qcow2"

// adopt makes a copy the disk of a guest, and reports whether there was one.
func adopt(c Change) (bool, error) {
	from := filepath.Join(filepath.Dir(c.Files.Dir), copyName(c.UUID), CopiedDisk)
	err := rename(from, c.disk(), unix.RENAME_NOREPLACE)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, fs.ErrExist):
		return true, agreeOn(c.disk(), c.Files.Backing)
	case err != nil:
		return false, err
	}
	return true, syncDir(c.Files.Dir)
}

// removeCopies removes the directory of a copy, unless somebody is at work in it.
func removeCopies(dir string) error {
	lock, err := lockDir(dir)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(dir), lock.Close())
}

// locked reports whether somebody is at work in a directory.
func locked(dir string) bool {
	lock, err := lockDir(dir)
	if err != nil {
		return true
	}
	_ = lock.Close()
	return false
}

// Place moves a finished file to where the operator wants it, as a whole or not
// at all, and to root: by a rename where it can be, or else by a copy beside it.
func Place(ctx context.Context, from, to string, replace bool) error {
	if err := errors.Join(os.Lchown(from, os.Getuid(), os.Getgid()), os.Chmod(from, fileMode)); err != nil {
		return err
	}
	flags := uint(unix.RENAME_NOREPLACE)
	if replace {
		flags = 0
	}
	err := rename(from, to, flags)
	if errors.Is(err, unix.EXDEV) {
		half := tempName(to)
		out, err := exec.CommandContext(ctx, "cp", "--sparse=always", "--", from, half).CombinedOutput()
		if err == nil {
			err = errors.Join(os.Chmod(half, fileMode), syncFile(half))
		}
		if err == nil {
			err = rename(half, to, flags)
		}
		if err != nil {
			return placed(to, errors.Join(fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out))), ignoreGone(os.Remove(half))))
		}
		return syncDir(filepath.Dir(to))
	}
	if err != nil {
		return placed(to, err)
	}
	return syncDir(filepath.Dir(to))
}

// placed says what stands in the way of a file of the operator's.
func placed(to string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return &ispctl.Error{Kind: ispctl.Conflict, Object: fmt.Sprintf("file %q", to), Cause: "is there already", Next: "give --force to replace it"}
	}
	return &ispctl.Error{Kind: ispctl.KindOf(err), Object: fmt.Sprintf("file %q", to), Cause: "cannot be written", Err: err, Next: "choose a directory that is there and has room"}
}

// WriteFile writes a file of the operator's, as a whole or not at all.
func WriteFile(path string, data []byte, replace bool) error {
	flags := uint(unix.RENAME_NOREPLACE)
	if replace {
		flags = 0
	}
	err := writeDurably(path, flags, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
	if err != nil {
		return placed(path, err)
	}
	return nil
}

// Sum is the SHA-256 of a file, in hex.
func Sum(ctx context.Context, path string) (string, error) { return hashFile(ctx, path) }
