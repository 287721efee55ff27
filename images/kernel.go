package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/converge"
)

// Kernel is the real edge: directories on a disk.
type Kernel struct {
	Paths        ispctl.Paths
	Installation string // prefix, as the mark has it

	// Grow makes a disk larger that a guest has open, and reports whether one
	// has; nil: none ever does.
	Grow func(ctx context.Context, uuid, disk string, size ispctl.Size) (bool, error)

	// Snapshot and Unsnapshot take and drop a snapshot of a disk that a guest has
	// open, and report whether one has; End ends the guest. nil: none ever does.
	Snapshot, Unsnapshot func(ctx context.Context, uuid, disk, name string) (bool, error)
	End                  func(ctx context.Context, uuid string) error
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// Observe reads what is in every directory of ours: of disks and seeds only the
// headers.
func (k *Kernel) Observe(ctx context.Context) (State, error) {
	entries, err := os.ReadDir(k.Paths.Guests())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	s := State{}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name := e.Name()
		dir := filepath.Join(k.Paths.Guests(), name)
		if _, copied := isCopy(name); (isHalf(name) || copied && !locked(dir)) && e.IsDir() {
			s[name] = GuestFiles{Dir: dir}
		}
		if !uuidPattern.MatchString(name) || !e.IsDir() {
			continue
		}
		ours, err := marked(dir, mark{k.Installation, name})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		if !ours {
			continue
		}
		if s[name], err = observe(dir); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	return s, nil
}

// observe never says "no overlay" of a file that is there: Diff would have it
// made. One that is no overlay of ours has a backing file that nothing wants.
func observe(dir string) (GuestFiles, error) {
	g := GuestFiles{Dir: dir}
	disks, err := overlays(dir)
	if err != nil {
		return g, err
	}
	if last := len(disks) - 1; last >= 0 {
		g.Disk, g.Stale = disks[last], disks[:last]
	}
	path := filepath.Join(dir, g.Disk)
	switch st, err := os.Lstat(path); {
	case g.Disk == "", errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return g, err
	case !st.Mode().IsRegular():
		g.Backing = "(no regular file)"
	default:
		o, err := ReadOverlay(path)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return g, err
		case err != nil:
			g.Backing = "(" + err.Error() + ")"
		case o.Backing == "":
			g.Backing, g.Size = "(none)", o.Size
		default:
			g.Backing, g.Size = o.Backing, o.Size
		}
	}
	if g.Disk != "" && g.Size > 0 {
		// A table that cannot be read has none of the names that are wanted; to
		// take them fails then, and says why.
		g.Snapshots, _ = ReadSnapshots(path)
	}
	if g.Seed, err = readSeedDigest(filepath.Join(dir, seedFile)); err != nil {
		return g, err
	}
	if g.Data, err = observeData(dir); err != nil {
		return g, err
	}
	switch o, err := readDisk(filepath.Join(dir, ispctl.RescueName)); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil && errors.Is(err, fs.ErrPermission):
		return g, err
	default:
		g.Rescue, g.RescueOf = ispctl.RescueName, o.Backing
	}
	owned := g
	if owned.Disk == "" {
		owned.Disk = "none"
	}
	g.Owner, err = owner(owned.paths()...)
	return g, err
}

// overlays are the names of a guest's first disks, by number.
func overlays(dir string) ([]string, error) { return numbered(dir, diskPattern) }

// owner is the user and group of all the files; -1 where they are not one.
func owner(paths ...string) (int64, error) {
	owners := map[uint32]bool{}
	for _, path := range paths {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); errors.Is(err, fs.ErrNotExist) {
			return -1, nil
		} else if err != nil {
			return -1, fmt.Errorf("owner of %s: %w", path, err)
		}
		owners[st.Uid], owners[st.Gid] = true, true
	}
	if len(owners) == 1 {
		for one := range owners {
			return int64(one), nil
		}
	}
	return -1, nil
}

// parallel is how many guests are worked on at once: most of it is to wait for
// the disk, which syncs several files as fast as one.
const parallel = 8

// Apply carries changes out: those to one guest in order, and several guests at
// once.
func (k *Kernel) Apply(ctx context.Context, changes []Change) error {
	if err := makeDirs(k.Paths.Guests(), dirMode); err != nil {
		return err
	}
	queues := byGuest(changes)
	errs := make([]error, len(queues))
	slots := make(chan struct{}, parallel)
	var group sync.WaitGroup
	for i, queue := range queues {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[i] = applyEach(ctx, queue, k.apply)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// byGuest splits changes by guest, in the order of the guests' first ones.
func byGuest(changes []Change) [][]Change {
	var queues [][]Change
	index := map[string]int{}
	for _, c := range changes {
		i, seen := index[c.UUID]
		if !seen {
			i = len(queues)
			index[c.UUID] = i
			queues = append(queues, nil)
		}
		queues[i] = append(queues[i], c)
	}
	return queues
}

// applyEach goes past what fails, except for the rest of the same guest:
// without its directory, say, that could only fail too.
func applyEach(ctx context.Context, changes []Change, apply func(context.Context, Change) error) error {
	var errs []error
	failed := map[string]bool{}
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if failed[c.UUID] {
			continue
		}
		if err := apply(ctx, c); err != nil {
			failed[c.UUID] = true
			errs = append(errs, &converge.Fault{Object: c.Object(), Err: err})
		}
	}
	return errors.Join(errs...)
}

func (k *Kernel) apply(ctx context.Context, c Change) error {
	m := mark{k.Installation, c.UUID}
	switch c.Op {
	case MakeDir:
		return makeMarked(c.Files.Dir, m)
	case CreateDisk:
		if _, err := os.Stat(c.Files.Backing); err != nil {
			return &ispctl.Error{
				Kind: ispctl.Conflict, Object: "image " + c.Files.Backing, Cause: "cannot be used", Err: err,
				Next: "see: ispctl image list",
			}
		}
		if done, err := adopt(c); done || err != nil {
			return err
		}
		return CreateOverlay(c.disk(), c.Files.Backing, c.Files.Size)
	case GrowDisk:
		if k.Grow != nil {
			if done, err := k.Grow(ctx, c.UUID, c.disk(), c.Files.Size); done || err != nil {
				return err
			}
		}
		return GrowOverlay(ctx, c.disk(), c.Files.Size)
	case PutSeed:
		return WriteSeed(c.seed(), c.Files.seed)
	case Own:
		var errs []error
		owner := int(c.Files.Owner)
		for _, path := range c.Files.paths() {
			errs = append(errs, os.Lchown(path, owner, owner))
		}
		return errors.Join(errs...)
	case CreateData:
		return CreateOverlay(c.disk(), "", c.Files.Size)
	case CreateRescue:
		return CreateOverlay(filepath.Join(c.Files.Dir, c.Files.Rescue), c.Files.RescueOf, rescueSize)
	case TakeSnapshot:
		return k.takeSnapshot(ctx, c)
	case DropSnapshot:
		return k.dropSnapshot(ctx, c)
	case RestoreDisk:
		return k.restoreDisk(ctx, c)
	case RemoveDisk:
		if err := os.Remove(c.disk()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	case RemoveDir:
		if _, copied := isCopy(c.UUID); copied {
			return removeCopies(c.Files.Dir)
		}
		if isHalf(c.UUID) {
			return os.RemoveAll(c.Files.Dir)
		}
		return removeMarked(c.Files.Dir, m)
	}
	return fmt.Errorf("%s", c)
}

// Object is what the change serves, and what its fault is recorded against; see
// [converge.Owned].
func (c Change) Object() string {
	if c.Files.vm != "" {
		return "vm " + string(c.Files.vm)
	}
	return "directory " + c.Files.Dir
}
