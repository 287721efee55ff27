package images

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"ispctl"
	"ispctl/converge"
)

// Op is what a change does.
type Op int

// What can be done to a guest's files.
const (
	MakeDir Op = iota
	CreateDisk
	GrowDisk
	PutSeed
	Own
	RemoveDisk // one of another generation, or a data disk
	RemoveDir
	CreateData
	CreateRescue
	TakeSnapshot
	DropSnapshot
	RestoreDisk
)

// Change is one act on the directory of one guest. Files is what is wanted
// there, or, for RemoveDir, what goes.
type Change struct {
	Op    Op
	UUID  string // the directory's name
	Files GuestFiles

	Snapshot string // of TakeSnapshot, DropSnapshot and RestoreDisk
	From     string // of RestoreDisk: the name that the disk had
}

// Kind tells the making of files from their removal.
func (c Change) Kind() converge.Kind {
	if c.Op == RemoveDir || c.Op == RemoveDisk || c.Op == DropSnapshot {
		return converge.Prune
	}
	return converge.Ensure
}

// String is the command that does the same.
func (c Change) String() string {
	switch c.Op {
	case MakeDir:
		return fmt.Sprintf("install -d -m %04o %s", dirMode, c.Files.Dir)
	case CreateDisk:
		return fmt.Sprintf("qemu-img create -f qcow2 -F raw -b %s %s %d", c.Files.Backing, c.disk(), int64(c.Files.Size))
	case GrowDisk:
		return strings.Join(growCommand(c.disk(), c.Files.Size), " ")
	case PutSeed:
		var grafts string
		for _, name := range c.Files.seed.names() {
			grafts += " " + name + "=" + name
		}
		return fmt.Sprintf("genisoimage -volid %s -output %s -graft-points%s", SeedLabel, c.seed(), grafts)
	case Own:
		return fmt.Sprintf("chown %d:%d %s", c.Files.Owner, c.Files.Owner, strings.Join(c.Files.paths(), " "))
	case RemoveDisk:
		return "rm " + c.disk()
	case RemoveDir:
		return "rm -r " + c.Files.Dir
	case CreateData:
		return fmt.Sprintf("qemu-img create -f qcow2 %s %d", c.disk(), int64(c.Files.Size))
	case CreateRescue:
		return fmt.Sprintf("qemu-img create -f qcow2 -F raw -b %s %s %d", c.Files.RescueOf, filepath.Join(c.Files.Dir, c.Files.Rescue), int64(rescueSize))
	case TakeSnapshot:
		return strings.Join(snapshotCommand("-c", c.Snapshot, c.disk()), " ")
	case DropSnapshot:
		return strings.Join(snapshotCommand("-d", c.Snapshot, c.disk()), " ")
	case RestoreDisk:
		old := filepath.Join(c.Files.Dir, c.From)
		return strings.Join(snapshotCommand("-a", c.Snapshot, old), " ") + " && mv " + old + " " + c.disk()
	}
	return fmt.Sprintf("unknown change %d to %s", c.Op, c.Files.Dir)
}

// seedFile is the name of [ispctl.Paths.Seed].
const seedFile = "seed.iso"

// rescueSize is how large the disk is that a guest boots in rescue: room for a
// package or two, in memory of nobody.
const rescueSize = 2 * ispctl.GiB

// diskPattern is the names of overlays, see [ispctl.VM.DiskName].
var diskPattern = regexp.MustCompile(`^disk(-[1-9][0-9]*)?\.qcow2$`)

func (c Change) disk() string { return filepath.Join(c.Files.Dir, c.Files.Disk) }
func (c Change) seed() string { return filepath.Join(c.Files.Dir, seedFile) }
