package dhcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ispctl"
)

// recordFile is the ownership mark of a server's directory, and what is known
// of the process that serves from it.
const recordFile = "ispctl.json"

// record is what recordFile holds.
type record struct {
	Installation string      `json:"installation"`
	Zone         ispctl.Name `json:"zone"`
	Process      identity    `json:"process"` // zero while it is told something
	Hosts        []Host      `json:"hosts"`   // that it has read
}

// fileMode lets dnsmasq read, which is another user by the time it reads again.
const (
	dirMode  fs.FileMode = 0o755
	fileMode fs.FileMode = 0o644
)

// read returns the record of a directory of ours; there is none in one that is
// foreign or gone.
func (k *Kernel) read(zone ispctl.Name) (record, bool, error) {
	var r record
	data, err := os.ReadFile(filepath.Join(k.zoneDir(zone), recordFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	ours := json.Unmarshal(data, &r) == nil && r.Installation == k.installation && r.Zone == zone
	return r, ours, nil
}

func (k *Kernel) write(r record) error {
	r.Installation = k.installation
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return put(filepath.Join(k.zoneDir(r.Zone), recordFile), string(data)+"\n")
}

// claim makes a server's directory, which bears its mark from the moment it is
// there. One without the mark is in the way.
func (k *Kernel) claim(zone ispctl.Name) error {
	_, ours, err := k.read(zone)
	if err != nil || ours {
		return err
	}
	half := k.halfDir(zone)
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	if err := makeDir(half); err != nil {
		return err
	}
	data, err := json.Marshal(record{Installation: k.installation, Zone: zone})
	if err != nil {
		return err
	}
	if err := put(filepath.Join(half, recordFile), string(data)+"\n"); err != nil {
		return err
	}
	dir := k.zoneDir(zone)
	err = unix.Renameat2(unix.AT_FDCWD, half, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE)
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		err = &ispctl.Error{
			Kind: ispctl.Conflict, Object: "directory " + dir,
			Cause: fmt.Sprintf("is in the way: it has no %s of installation %q", recordFile, k.installation),
			Next:  "move it away",
		}
	}
	return errors.Join(err, os.RemoveAll(half))
}

// remove takes a directory of ours away, out of sight first: without its mark
// it would be nobody's.
func (k *Kernel) remove(zone ispctl.Name) error {
	_, ours, err := k.read(zone)
	if err != nil {
		return err
	}
	half := k.halfDir(zone)
	if ours {
		if err := os.RemoveAll(half); err != nil {
			return err
		}
		if err := os.Rename(k.zoneDir(zone), half); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.RemoveAll(half)
}

func (k *Kernel) zoneDir(zone ispctl.Name) string { return filepath.Join(k.dir, string(zone)) }

// halfDir is one that is being made or removed. No zone's name begins with a
// dot.
func (k *Kernel) halfDir(zone ispctl.Name) string {
	return filepath.Join(k.dir, "."+string(zone)+".tmp")
}

// claimed are the zones with a directory that bears our mark.
func (k *Kernel) claimed() ([]ispctl.Name, error) {
	entries, err := os.ReadDir(k.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var zones []ispctl.Name
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		zone := ispctl.Name(e.Name())
		_, ours, err := k.read(zone)
		if err != nil {
			return nil, err
		}
		if ours {
			zones = append(zones, zone)
		}
	}
	return zones, nil
}

func makeDir(path string) error {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return err
	}
	return os.Chmod(path, dirMode) // whatever the umask
}

// halfSuffix ends the name of a file that is being written.
const halfSuffix = ".tmp"

// put makes a file as a whole or not at all. The temporary one has the same
// name each time, so that what a killed ispctl left does not pile up. Nothing
// is synced: when the host stops, so does all that these files are about.
func put(path, text string) error {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+halfSuffix)
	if err := os.WriteFile(temp, []byte(text), fileMode); err != nil {
		return err
	}
	if err := os.Chmod(temp, fileMode); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
