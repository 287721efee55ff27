package ispctl

import (
	"fmt"
	"math"
	"strconv"
)

// Share is how much a tenant may have of the provider, all its VMs together. A
// zero says nothing: there is no such bound.
type Share struct {
	VMs       int64
	CPUs      int64
	Memory    Size
	Disk      Size
	Addresses int64 // external ones that its VMs have to themselves
	Bandwidth Rate  // sum of its VMs' ceilings, of each direction
}

// unbounded is what VMs without a ceiling come to.
const unbounded = math.MaxInt64

// ShareBound describes one bound of a share: its name in commands and
// documents, and how its value is written.
type ShareBound struct {
	Name, Unit, Help string

	at    func(*Share) *int64
	parse func(string) (int64, error)
	text  func(int64) string
}

// shareTable is every bound there is.
var shareTable = []ShareBound{
	countBound("vms", "VMs that it may have", func(s *Share) *int64 { return &s.VMs }),
	countBound("cpus", "virtual CPUs of all its VMs together", func(s *Share) *int64 { return &s.CPUs }),
	sizeBound("memory", "memory of all its VMs together", func(s *Share) *Size { return &s.Memory }),
	sizeBound("disk", "disks of all its VMs together", func(s *Share) *Size { return &s.Disk }),
	countBound("addresses", "external addresses that its VMs have to themselves", func(s *Share) *int64 { return &s.Addresses }),
	{
		"bandwidth", "RATE", "sum of its VMs' ceilings, in each direction",
		func(s *Share) *int64 { return (*int64)(&s.Bandwidth) },
		func(s string) (int64, error) { r, err := ParseRate(s); return int64(r), err },
		func(n int64) string { return Rate(n).String() },
	},
}

// ShareTable lists every bound there is, in the order they are shown.
func ShareTable() []ShareBound { return append([]ShareBound{}, shareTable...) }

func countBound(name, help string, at func(*Share) *int64) ShareBound {
	return ShareBound{name, "N", help, at, func(s string) (int64, error) {
		n, err := strconv.ParseInt(s, 10, 32)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("%q is no number", s)
		}
		return n, nil
	}, func(n int64) string { return strconv.FormatInt(n, 10) }}
}

func sizeBound(name, help string, at func(*Share) *Size) ShareBound {
	return ShareBound{
		name, "SIZE", help, func(s *Share) *int64 { return (*int64)(at(s)) },
		func(s string) (int64, error) { n, err := ParseSize(s); return int64(n), err },
		func(n int64) string { return Size(n).String() },
	}
}

// Value is the bound as a number; zero: there is none.
func (f ShareBound) Value(s Share) int64 { return *f.at(&s) }

// SetValue sets the bound to a number.
func (f ShareBound) SetValue(s *Share, n int64) { *f.at(s) = n }

// Set reads the bound; `none` takes it away.
func (f ShareBound) Set(s *Share, text string) error {
	if text == NoTenant {
		*f.at(s) = 0
		return nil
	}
	n, err := f.parse(text)
	if err != nil {
		return Invalid(f.Name, text, "%s", err)
	}
	if n == 0 {
		return Invalid(f.Name, text, "is nothing at all; give a bound, or none to have no bound")
	}
	*f.at(s) = n
	return nil
}

// Text is the bound as it is written; empty: there is none.
func (f ShareBound) Text(s Share) string {
	n := *f.at(&s)
	switch n {
	case 0:
		return ""
	case unbounded:
		return "unbounded"
	}
	return f.text(n)
}

// UsedBy is how much a tenant has of the provider.
func (m *Model) UsedBy(tenant Name) Share {
	if used := m.shares()[tenant]; used != nil {
		return *used
	}
	return Share{}
}

// shares is what each tenant has, in one walk over all VMs.
func (m *Model) shares() map[Name]*Share {
	used := make(map[Name]*Share, len(m.Tenants))
	for _, t := range m.Tenants {
		used[t.Name] = &Share{}
	}
	plans := byName(m.Plans, func(p Plan) Name { return p.Name })
	owner := map[Name]Name{}
	type ceilings struct{ down, up Rate }
	sums := map[Name]*ceilings{}
	for _, vm := range m.VMs {
		s := used[vm.Tenant]
		if s == nil || vm.Wanted == Absent {
			continue
		}
		owner[vm.Name] = vm.Tenant
		plan := vm.PlanOf(plans[vm.Plan])
		s.VMs++
		s.CPUs += int64(plan.CPUs)
		s.Memory += plan.Memory
		s.Disk += plan.Disk
		for _, d := range vm.Disks {
			s.Disk += d.Size
		}
		sum := sums[vm.Tenant]
		if sum == nil {
			sum = &ceilings{}
			sums[vm.Tenant] = sum
		}
		limits := vm.Limits.Over(plan.Limits)
		sum.down, sum.up = plusCeiling(sum.down, limits.Down), plusCeiling(sum.up, limits.Up)
	}
	for name, sum := range sums {
		used[name].Bandwidth = max(sum.down, sum.up)
	}
	for _, a := range m.Addresses {
		if tenant, has := owner[a.VM]; has && a.Mode != Shared {
			used[tenant].Addresses++
		}
	}
	return used
}

// plusCeiling adds a ceiling to a sum of them; no ceiling makes it unbounded.
func plusCeiling(sum, ceiling Rate) Rate {
	if sum == unbounded || ceiling <= 0 {
		return unbounded
	}
	return sum + ceiling
}

// unbounded are the VMs of a tenant that lack a ceiling.
func (m *Model) unbounded(tenant Name) []Name {
	plans := byName(m.Plans, func(p Plan) Name { return p.Name })
	return m.namesOf(func(vm VM) bool {
		limits := vm.Limits.Over(plans[vm.Plan].Limits)
		return vm.Tenant == tenant && vm.Wanted != Absent && (limits.Down <= 0 || limits.Up <= 0)
	})
}

// Unbounded reports whether what is used has no end: a VM lacks a ceiling.
func (s Share) Unbounded() bool { return s.Bandwidth == unbounded }
