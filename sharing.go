package ispctl

import "fmt"

// Sharing is how much of the host guests may be given. The zero value stands for
// the defaults.
type Sharing struct {
	MemoryReserve    Size    // that is not shared out; 0: see [Sharing.Reserve]
	MemoryOvercommit Percent // of the rest, that guests may have together; 0: all of it and no more
	DiskOvercommit   Percent // of the file system with the disks, that their sizes may come to; 0: the same; NoLimit: whatever
}

// SharingChange is what of [Sharing] is to be otherwise; nil: it stays.
type SharingChange struct {
	MemoryReserve                    *Size
	MemoryOvercommit, DiskOvercommit *Percent
}

// Over is a change on top of what there is.
func (c SharingChange) Over(s Sharing) Sharing {
	if c.MemoryReserve != nil {
		s.MemoryReserve = *c.MemoryReserve
	}
	if c.MemoryOvercommit != nil {
		s.MemoryOvercommit = *c.MemoryOvercommit
	}
	if c.DiskOvercommit != nil {
		s.DiskOvercommit = *c.DiskOvercommit
	}
	return s
}

// Bounds of the settings; beyond them is a slipped unit, or a host that cannot
// keep its promises.
const (
	minReserve    = 64 * MiB
	maxReserve    = 16 * TiB
	maxOvercommit = 1000
)

// Validate checks the settings by themselves.
func (s Sharing) Validate() error {
	switch {
	case s.MemoryReserve != 0 && (s.MemoryReserve < minReserve || s.MemoryReserve > maxReserve):
		return Invalid("memory reserve", s.MemoryReserve.String(), "is not %s to %s", minReserve, maxReserve)
	case s.MemoryOvercommit != 0 && (s.MemoryOvercommit < 100 || s.MemoryOvercommit > maxOvercommit):
		return Invalid("memory overcommit", s.MemoryOvercommit.String(), "is not 100%% to %d%%", maxOvercommit)
	case s.DiskOvercommit != 0 && s.DiskOvercommit != NoLimit && (s.DiskOvercommit < 100 || s.DiskOvercommit > maxOvercommit):
		return Invalid("disk overcommit", s.DiskOvercommit.String(), "is not 100%% to %d%%, or none", maxOvercommit)
	}
	return nil
}

// Reserve is what of a host's memory is the host's own: what was said, or a
// twentieth, but not less than 256 MiB nor more than 4 GiB.
func (s Sharing) Reserve(total Size) Size {
	if s.MemoryReserve != 0 {
		return s.MemoryReserve
	}
	return min(max(total/20, 256*MiB), 4*GiB)
}

// String lists what is set, as flags.
func (s Sharing) String() string {
	text := ""
	add := func(name, value string, set bool) {
		if set {
			text += fmt.Sprintf(" %s %s", name, value)
		}
	}
	add("memory-reserve", s.MemoryReserve.String(), s.MemoryReserve != 0)
	add("memory-overcommit", s.MemoryOvercommit.String(), s.MemoryOvercommit != 0)
	add("disk-overcommit", OvercommitText(s.DiskOvercommit), s.DiskOvercommit != 0)
	if text == "" {
		return "as by default"
	}
	return text[1:]
}

// OvercommitText is a ratio as [ParseOvercommit] reads it.
func OvercommitText(p Percent) string {
	if p == NoLimit {
		return noneWord
	}
	return p.String()
}

// defaultWord takes a setting back.
const defaultWord = "default"

// ParseOvercommit reads "150%", "default", or "none" where there may be no limit.
func ParseOvercommit(s string, unlimited bool) (Percent, error) {
	switch {
	case s == defaultWord:
		return 0, nil
	case s == noneWord && unlimited:
		return NoLimit, nil
	}
	n, err := parsePercent(s)
	if err == nil && n <= 0 {
		err = Invalid("percentage", s, "is nothing")
	}
	return Percent(n), err
}

// ParseReserve reads a size, or "default".
func ParseReserve(s string) (Size, error) {
	if s == defaultWord {
		return 0, nil
	}
	size, err := ParseSize(s)
	if err == nil && size <= 0 {
		err = Invalid("memory reserve", s, "is nothing")
	}
	return size, err
}

// Floor is the memory that a guest of a plan keeps whatever happens: its
// guarantee, and all of it where none was said.
func (l Limits) Floor(memory Size) Size {
	if l.MemoryGuarantee == 0 {
		return memory
	}
	return min(l.MemoryGuarantee, memory)
}

// HostMemory is how a host's memory stands.
type HostMemory struct {
	Total, Available Size

	// Stalled is how much of the last ten seconds some process waited for
	// memory, in percent (PSI); negative: the kernel does not say.
	Stalled float64
}

// GuestMemory is what a guest that runs has of its memory.
type GuestMemory struct {
	Actual Size // that its balloon leaves it
	Unused Size // of that, what it could do without, as it says; 0 also if it does not say
}

// Balloon is what a guest's balloon was last told to leave it, and what was seen
// to be left.
type Balloon struct {
	VM             int64
	Target, Actual Size
}
