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
		g.vm, g.seed = "", Seed{}
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
	case c.Op == RemoveDisk:
		g.Stale = slices.DeleteFunc(slices.Clone(g.Stale), func(name string) bool { return name == c.Files.Disk })
	case c.Op == CreateDisk && g.Disk != c.Files.Disk:
		if g.Disk != "" {
			g.Stale = append(slices.Clone(g.Stale), g.Disk)
		}
		g.Disk, g.Backing, g.Size, g.Owner = c.Files.Disk, c.Files.Backing, c.Files.Size, -1
	case c.Op == CreateDisk && g.Backing != c.Files.Backing:
		return ispctl.Conflicting("disk", c.disk(), "lies over %s, not %s", g.Backing, c.Files.Backing)
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

// String draws what is there, sorted.
func (f *Fake) String() string {
	var b strings.Builder
	for _, uuid := range slices.Sorted(maps.Keys(f.Guests)) {
		g := f.Guests[uuid]
		fmt.Fprintf(&b, "%s disk %s over %s, seed %.12s\n", g.Dir, g.Size, g.Backing, g.Seed)
	}
	for _, dir := range slices.Sorted(maps.Keys(f.Foreign)) {
		fmt.Fprintf(&b, "%s foreign\n", dir)
	}
	return b.String()
}
