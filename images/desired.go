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
	Owner   int64       // user and group of all of them; -1: not one
	Data    []DataDisk  // by their names

	Snapshots []string // in the first disk, sorted
	Rescue    string   // name of the disk that it boots in rescue; empty: there is none
	RescueOf  string   // what that lies over

	// What it takes to make them. Observe cannot know it.
	vm       ispctl.Name
	seed     Seed
	restored string // the snapshot that the first disk was put back to
	built    int    // disks of lower numbers are of an earlier build
}

// Equal compares what can be observed.
func (g GuestFiles) Equal(o GuestFiles) bool {
	return g.Dir == o.Dir && g.Disk == o.Disk && slices.Equal(g.Stale, o.Stale) && g.Backing == o.Backing && g.Size == o.Size && g.Seed == o.Seed && g.Owner == o.Owner &&
		slices.Equal(g.Data, o.Data) && slices.Equal(g.Snapshots, o.Snapshots) && g.Rescue == o.Rescue && g.RescueOf == o.RescueOf
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
		for vm := range m.Guests() {
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
	for _, digest := range []string{vm.Image, vm.Rescue} {
		if !digestPattern.MatchString(digest) && (digest != "" || vm.Image == "") {
			return GuestFiles{}, ispctl.Invalid("image", digest, "is no sha256 in hex")
		}
	}
	plan, err := m.SizedPlan(vm)
	if err != nil {
		return GuestFiles{}, err
	}
	seed, err := seedOf(m, vm)
	if err != nil {
		return GuestFiles{}, fmt.Errorf("its seed: %w", err)
	}
	g := GuestFiles{
		Dir:     m.Paths.Guest(vm.UUID),
		Disk:    vm.DiskName(),
		Backing: m.Paths.ImageDisk(vm.Image),
		Size:    plan.Disk,
		Seed:    seed.Digest,
		Owner:   int64(m.Installation.GuestUID(vm.ID)),
		Data:    desiredData(vm),

		Snapshots: desiredSnapshots(vm),

		vm:       vm.Name,
		seed:     seed,
		restored: vm.Restored,
		built:    vm.Built,
	}
	if vm.Rescue != "" {
		g.Rescue, g.RescueOf = ispctl.RescueName, m.Paths.ImageDisk(vm.Rescue)
	}
	return g, nil
}
