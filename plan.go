package ispctl

// Plan is what a subscriber buys: CPUs, memory, disk, and limits to their use.
type Plan struct {
	Name    Name
	CPUs    int
	Memory  Size
	Disk    Size
	Limits  Limits
	Applied bool
}

// The least and the most a plan may ask for. The lower bounds are what the
// micro template boots with; the upper ones catch a slipped unit.
const (
	MaxCPUs   = 512
	MinMemory = 96 * MiB
	MaxMemory = 64 * TiB
	MinDisk   = 64 * MiB
	MaxDisk   = 1024 * TiB
)

// Validate checks the plan by itself.
func (p Plan) Validate() error {
	name := string(p.Name)
	switch {
	case p.CPUs < 1 || p.CPUs > MaxCPUs:
		return Invalid("plan", name, "cpus %d is not 1 to %d", p.CPUs, MaxCPUs)
	case p.Memory < MinMemory || p.Memory > MaxMemory:
		return Invalid("plan", name, "memory %s is not %s to %s", p.Memory, MinMemory, MaxMemory)
	case p.Memory%MiB != 0:
		return Invalid("plan", name, "memory %s is no whole number of MiB", p.Memory)
	case p.Disk < MinDisk || p.Disk > MaxDisk:
		return Invalid("plan", name, "disk %s is not %s to %s", p.Disk, MinDisk, MaxDisk)
	case p.Disk%MiB != 0:
		return Invalid("plan", name, "disk %s is no whole number of MiB", p.Disk)
	}
	if p.Limits.MemoryGuarantee > p.Memory {
		return Invalid("plan", name, "memory guarantee %s is more than its memory of %s", p.Limits.MemoryGuarantee, p.Memory)
	}
	if int64(p.Limits.CPUGuarantee) > int64(p.CPUs)*100 {
		return Invalid("plan", name, "cpu-guarantee %s is more than its %d CPUs have", p.Limits.CPUGuarantee, p.CPUs)
	}
	if err := p.Limits.Validate(); err != nil {
		return Invalid("plan", name, "%s", err)
	}
	return nil
}
