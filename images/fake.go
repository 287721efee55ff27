package images

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ispctl"
	"ispctl/converge"
)

// ErrInjected is the fault that FailAfter brings about.
var ErrInjected = errors.New("injected fault")

// Fake is the guests' directories in memory. It refuses what the file system
// refuses.
type Fake struct {
	Guests  State
	Foreign map[string]bool // directories, by path, that do not bear our mark

	// FailAfter, when positive, makes the change after that many fail.
	FailAfter int
}

var _ converge.Target[State, Change] = (*Fake)(nil)

// Observe returns what is there, without what cannot be read back.
func (f *Fake) Observe(context.Context) (State, error) {
	s := State{}
	for uuid, g := range f.Guests {
		g.vm, g.seed, g.restored, g.built = "", Seed{}, "", 0
		s[uuid] = g
	}
	return s, nil
}

// Apply carries changes out as [Kernel.Apply] does.
func (f *Fake) Apply(ctx context.Context, changes []Change) error {
	if f.Guests == nil {
		f.Guests = State{}
	}
	done := 0
	return applyEach(ctx, changes, func(_ context.Context, c Change) error {
		if f.FailAfter > 0 && done == f.FailAfter {
			done++
			return ErrInjected
		}
		done++
		return f.apply(c)
	})
}

func (f *Fake) apply(c Change) error {
	g, there := f.Guests[c.UUID]
	switch {
	case c.Op == RemoveDir:
		delete(f.Guests, c.UUID)
		return nil
	case c.Op == MakeDir && f.Foreign[c.Files.Dir]:
		return ispctl.Conflicting("directory", c.Files.Dir, "is in the way")
	case c.Op == MakeDir && !there:
		g.Dir = c.Files.Dir
	case !there:
		return fmt.Errorf("%s: no such directory", c.Files.Dir)
	case c.Op == RemoveDisk && c.Files.Disk == g.Rescue:
		g.Rescue, g.RescueOf = "", ""
	case c.Op == RemoveDisk && dataPattern.MatchString(c.Files.Disk):
		g.Data = slices.DeleteFunc(slices.Clone(g.Data), func(d DataDisk) bool { return d.Name == c.Files.Disk })
		g.Data = slices.Clip(g.Data)
		if len(g.Data) == 0 {
			g.Data = nil
		}
	case c.Op == RemoveDisk:
		g.Stale = slices.DeleteFunc(slices.Clone(g.Stale), func(name string) bool { return name == c.Files.Disk })
	case c.Op == CreateDisk && g.Disk != c.Files.Disk:
		if g.Disk != "" {
			g.Stale = append(slices.Clone(g.Stale), g.Disk)
		}
		g.Disk, g.Backing, g.Size, g.Owner, g.Snapshots = c.Files.Disk, c.Files.Backing, c.Files.Size, -1, nil
	case c.Op == CreateDisk && g.Backing != c.Files.Backing:
		return ispctl.Conflicting("disk", c.disk(), "lies over %s, not %s", g.Backing, c.Files.Backing)
	case c.Op == CreateDisk:
		// It is there.
	case c.Op == CreateRescue:
		g.Rescue, g.RescueOf, g.Owner = c.Files.Rescue, c.Files.RescueOf, -1
	case c.Op == CreateData:
		if i := g.data(c.Files.Disk); i < 0 {
			g.Data = append(slices.Clone(g.Data), DataDisk{c.Files.Disk, c.Files.Size})
			slices.SortFunc(g.Data, func(a, b DataDisk) int { return compareNumbered(a.Name, b.Name) })
			g.Owner = -1
		}
	case c.Op == GrowDisk && dataPattern.MatchString(c.Files.Disk):
		g.Data = slices.Clone(g.Data)
		g.Data[g.data(c.Files.Disk)].Size = c.Files.Size
	case c.Op == TakeSnapshot && !slices.Contains(g.Snapshots, c.Snapshot):
		g.Snapshots = append(slices.Clone(g.Snapshots), c.Snapshot)
		slices.Sort(g.Snapshots)
	case c.Op == DropSnapshot:
		g.Snapshots = slices.DeleteFunc(slices.Clone(g.Snapshots), func(name string) bool { return name == c.Snapshot })
		if len(g.Snapshots) == 0 {
			g.Snapshots = nil
		}
	case c.Op == RestoreDisk && g.Disk == c.From:
		if !slices.Contains(g.Snapshots, c.Snapshot) {
			return ispctl.Conflicting("disk", c.disk(), "has no snapshot %s", c.Snapshot)
		}
		g.Disk = c.Files.Disk
	case c.Op == GrowDisk:
		g.Size = max(g.Size, c.Files.Size)
	case c.Op == PutSeed:
		g.Seed, g.Owner = c.Files.Seed, -1
	case c.Op == Own:
		g.Owner = c.Files.Owner
	}
	f.Guests[c.UUID] = g
	return nil
}

// data is the place of a data disk; -1: it is not there.
func (g GuestFiles) data(name string) int {
	return slices.IndexFunc(g.Data, func(d DataDisk) bool { return d.Name == name })
}

// String draws what is there, sorted.
func (f *Fake) String() string {
	var b strings.Builder
	for _, uuid := range slices.Sorted(maps.Keys(f.Guests)) {
		g := f.Guests[uuid]
		fmt.Fprintf(&b, "%s disk %s over %s, seed %.12s", g.Dir, g.Size, g.Backing, g.Seed)
		for _, d := range g.Data {
			fmt.Fprintf(&b, ", %s %s", d.Name, d.Size)
		}
		fmt.Fprintln(&b, strings.Join(append([]string{""}, g.Snapshots...), " "))
	}
	for _, dir := range slices.Sorted(maps.Keys(f.Foreign)) {
		fmt.Fprintf(&b, "%s foreign\n", dir)
	}
	return b.String()
}
