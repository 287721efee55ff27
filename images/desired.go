package images

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"ispctl"
)

// GuestFiles is the directory of one guest: an overlay, and a seed.
type GuestFiles struct {
	Dir     string
	Disk    string      // name of the overlay; empty: there is none
	Stale   []string    // names of overlays of other generations
	Backing string      // what the overlay lies over; empty: there is no overlay
	Size    ispctl.Size // of the overlay
	Seed    string      // digest of the seed; empty: there is none
	Owner   int64       // user and group of both; -1: not one

	// What it takes to make them. Observe cannot know it.
	vm   ispctl.Name
	seed Seed
}

// Equal compares what can be observed.
func (g GuestFiles) Equal(o GuestFiles) bool {
	return g.Dir == o.Dir && g.Disk == o.Disk && slices.Equal(g.Stale, o.Stale) && g.Backing == o.Backing && g.Size == o.Size && g.Seed == o.Seed && g.Owner == o.Owner
}

// State is the directories of ours, by their names: the guests' UUIDs, and
// `.UUID.tmp` for what a killed process left.
type State map[string]GuestFiles

// Len is how many directories there are.
func (s State) Len() int { return len(s) }

// Equal compares what can be observed.
func (s State) Equal(o State) bool { return maps.EqualFunc(s, o, GuestFiles.Equal) }

// uuidPattern is how RFC 9562 writes a UUID, in lower case. Nothing else
// becomes part of a path.
var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// Desired derives the files that every guest of a model needs. The seed of a VM
// must have the same digest for the same model: one that differs is replaced.
func Desired(seed func(*ispctl.Model, ispctl.VM) (Seed, error)) func(*ispctl.Model) (State, error) {
	return func(m *ispctl.Model) (State, error) {
		s := State{}
		for _, vm := range m.Guests() {
			g, err := desired(m, vm, seed)
			if err != nil {
				return nil, fmt.Errorf("vm %s: %w", vm.Name, err)
			}
			s[vm.UUID] = g
		}
		return s, nil
	}
}

func desired(m *ispctl.Model, vm ispctl.VM, seedOf func(*ispctl.Model, ispctl.VM) (Seed, error)) (GuestFiles, error) {
	if !uuidPattern.MatchString(vm.UUID) {
		return GuestFiles{}, ispctl.Invalid("uuid", vm.UUID, "is not as RFC 9562 writes it")
	}
	if !digestPattern.MatchString(vm.Image) {
		return GuestFiles{}, ispctl.Invalid("image", vm.Image, "is no sha256 in hex")
	}
	plan, err := m.Plan(string(vm.Plan))
	if err != nil {
		return GuestFiles{}, err
	}
	seed, err := seedOf(m, vm)
	if err != nil {
		return GuestFiles{}, fmt.Errorf("its seed: %w", err)
	}
	return GuestFiles{
		Dir:     m.Paths.Guest(vm.UUID),
		Disk:    vm.DiskName(),
		Backing: m.Paths.ImageDisk(vm.Image),
		Size:    plan.Disk,
		Seed:    seed.Digest,
		Owner:   int64(m.Installation.GuestUID(vm.ID)),
		vm:      vm.Name,
		seed:    seed,
	}, nil
}
