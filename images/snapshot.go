package images

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ispctl"
)

// Snapshots are kept inside the disk, by the format itself: what was written
// before one is taken is never overwritten after it. To take or to drop one is an
// act of QEMU, of the guest's own process where there is one, which goes on when
// ispctl is killed; the file's table is what says whether it was done.

// The bounds of a table that is believed.
const (
	mostSnapshots   = 1024
	mostTable       = 1 << 20
	snapshotEntry   = 40
	snapshotsCount  = 60 // offset of nb_snapshots in the header
	snapshotsOffset = 64 // of snapshots_offset
)

// ReadSnapshots reads the names of the snapshots of ours in a qcow2, sorted. It
// trusts nothing it reads.
func ReadSnapshots(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, headerLength)
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	be := binary.BigEndian
	count, offset := be.Uint32(head[snapshotsCount:]), be.Uint64(head[snapshotsOffset:])
	if count == 0 {
		return nil, nil
	}
	if count > mostSnapshots || offset == 0 || offset%clusterSize != 0 || offset > 1<<62 {
		return nil, fmt.Errorf("%s says that it has %d snapshots at offset %d", path, count, offset)
	}
	table := make([]byte, mostTable)
	n, err := f.ReadAt(table, int64(offset))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	names, err := decodeSnapshots(table[:n], int(count))
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return names, nil
}

// decodeSnapshots walks the entries of a snapshot table: docs/interop/qcow2.rst,
// "Snapshots".
func decodeSnapshots(table []byte, count int) ([]string, error) {
	var names []string
	be := binary.BigEndian
	for range count {
		if len(table) < snapshotEntry {
			return nil, errors.New("has a snapshot table that ends too early")
		}
		id, name, extra := int(be.Uint16(table[12:])), int(be.Uint16(table[14:])), int(be.Uint32(table[36:]))
		if extra > mostTable || snapshotEntry+extra+id+name > len(table) {
			return nil, errors.New("has a snapshot table that ends too early")
		}
		text := table[snapshotEntry+extra+id:][:name]
		if bytes.HasPrefix(text, []byte(ispctl.SnapshotTag)) {
			names = append(names, string(text))
		}
		length := (snapshotEntry + extra + id + name + 7) &^ 7
		table = table[min(length, len(table)):]
	}
	slices.Sort(names)
	return names, nil
}

// desiredSnapshots are the names that the disk is to have.
func desiredSnapshots(vm ispctl.VM) []string {
	var names []string
	for _, s := range vm.Snapshots {
		names = append(names, s.Tag())
	}
	slices.Sort(names)
	return names
}

// takeSnapshot makes a snapshot of a disk, by the guest's process if there is
// one.
func (k *Kernel) takeSnapshot(ctx context.Context, c Change) error {
	if have, err := ReadSnapshots(c.disk()); err != nil || slices.Contains(have, c.Snapshot) {
		return err
	}
	if k.Snapshot != nil {
		if done, err := k.Snapshot(ctx, c.UUID, c.disk(), c.Snapshot); done || err != nil {
			return err
		}
	}
	return k.snapshotBy(ctx, c, "-c")
}

// dropSnapshot is the reverse.
func (k *Kernel) dropSnapshot(ctx context.Context, c Change) error {
	have, err := ReadSnapshots(c.disk())
	if errors.Is(err, os.ErrNotExist) || err == nil && !slices.Contains(have, c.Snapshot) {
		return nil
	}
	if err != nil {
		return err
	}
	if k.Unsnapshot != nil {
		if done, err := k.Unsnapshot(ctx, c.UUID, c.disk(), c.Snapshot); done || err != nil {
			return err
		}
	}
	return k.snapshotBy(ctx, c, "-d")
}

// restoreDisk puts a disk back to a snapshot and then gives it its new name, by
// which it is known that this was done. Cut off in between it is done once more:
// nothing has run on it meanwhile.
func (k *Kernel) restoreDisk(ctx context.Context, c Change) error {
	if _, err := os.Lstat(c.disk()); err == nil {
		return nil // that was all of it
	}
	if k.End != nil {
		if err := k.End(ctx, c.UUID); err != nil {
			return err
		}
	}
	old := c
	old.Files.Disk = c.From
	have, err := ReadSnapshots(old.disk())
	if err != nil {
		return err
	}
	if !slices.Contains(have, c.Snapshot) {
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: "disk " + old.disk(), Cause: "has no snapshot " + c.Snapshot + " any more; it stays as it is",
			Next: "restore another one (ispctl vm snapshot list), or make the VM anew: ispctl vm rebuild",
		}
	}
	if err := k.snapshotBy(ctx, old, "-a"); err != nil {
		return err
	}
	if err := rename(old.disk(), c.disk(), unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	return syncDir(c.Files.Dir)
}

// snapshotBy has qemu-img do it to a disk that no guest has open.
func (k *Kernel) snapshotBy(ctx context.Context, c Change, flag string) error {
	o, err := readDisk(c.disk())
	if err == nil && o.Backing != c.Files.Backing {
		err = ispctl.Conflicting("disk", c.disk(), "lies over %s, not %s", o.Backing, c.Files.Backing)
	}
	if err != nil {
		return err
	}
	argv := snapshotCommand(flag, c.Snapshot, c.disk())
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return missingTool(argv[0], "qemu-utils")
	case err != nil && strings.Contains(text, "lock"):
		return &ispctl.Error{
			Kind: ispctl.Conflict, Object: "disk " + c.disk(), Cause: "is in use: " + text,
			Next: "stop the VM, then: ispctl converge",
		}
	case err != nil:
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, text)
	}
	return nil
}

// snapshotCommand names the format: probing would let a guest choose it.
func snapshotCommand(flag, name, path string) []string {
	// A comma ends a value there, unless it is doubled.
	file := "driver=qcow2,file.driver=file,file.filename=" + strings.ReplaceAll(path, ",", ",,")
	return []string{"qemu-img", "snapshot", "-q", flag, name, "--image-opts", file}
}

// diskNumber is the number in the name of a first disk.
func diskNumber(name string) (n int) {
	if _, err := fmt.Sscanf(filepath.Base(name), "disk-%d.qcow2", &n); err != nil {
		return 0
	}
	return n
}
