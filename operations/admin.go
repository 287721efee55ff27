package operations

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ispctl"
	"ispctl/state"
	"ispctl/zones"
)

// AdminSpec is what is asked of the admin network. What is nil stays as it is.
type AdminSpec struct {
	Prefix   *netip.Prefix // invalid: there is to be none
	Links    *[]string
	Services *[]ispctl.Service

	// Default takes a prefix that is free when a provider is declared for the
	// first time and Prefix says nothing. Avoid is what the host has other uses for.
	Default bool
	Avoid   []netip.Prefix
}

// defaultAdmin are the prefixes that are tried when none is asked for: ends of
// the private ranges, which networks are seldom made of first.
var defaultAdmin = []netip.Prefix{
	netip.MustParsePrefix("10.255.0.0/16"), netip.MustParsePrefix("10.254.0.0/16"), netip.MustParsePrefix("172.31.0.0/16"),
	netip.MustParsePrefix("192.168.224.0/19"), netip.MustParsePrefix("100.127.0.0/16"),
}

// putAdmin brings the admin network to what is asked, and gives each zone a leg
// of it.
func putAdmin(tx *state.Tx, spec AdminSpec) ([]string, error) {
	m, err := tx.Model()
	if err != nil {
		return nil, err
	}
	want := m.Admin
	switch {
	case spec.Prefix != nil:
		want.Prefix = *spec.Prefix
	case spec.Default && !want.Configured():
		if want.Prefix, err = freeAdmin(m, spec.Avoid); err != nil {
			return nil, err
		}
	}
	if spec.Links != nil {
		want.Links = slices.Compact(slices.Sorted(slices.Values(*spec.Links)))
	}
	if spec.Services != nil {
		want.Services = slices.Clone(*spec.Services)
		slices.SortFunc(want.Services, compareServices)
		want.Services = slices.Compact(want.Services)
	}
	var said []string
	if why := changes(field{"prefix", prefixOrNone(m.Admin.Prefix), prefixOrNone(want.Prefix)},
		field{"links", words(m.Admin.Links), words(want.Links)}, field{"services", words(m.Admin.Services), words(want.Services)}); why != "" {
		said = append(said, "~ admin network "+why)
		if err := want.Validate(); err != nil {
			return nil, err
		}
		if err := tx.PutAdmin(want); err != nil {
			return nil, err
		}
	}
	if want.Prefix != m.Admin.Prefix {
		if err := takeLegs(tx, m); err != nil {
			return nil, err
		}
	}
	more, err := giveLegs(tx)
	return append(said, more...), err
}

// freeAdmin is the first default that neither the provider nor the host uses.
func freeAdmin(m *ispctl.Model, avoid []netip.Prefix) (netip.Prefix, error) {
	for _, p := range defaultAdmin {
		candidate := *m
		candidate.Admin.Prefix = p
		if candidate.Validate() == nil && !slices.ContainsFunc(avoid, p.Overlaps) {
			return p, nil
		}
	}
	return netip.Prefix{}, &ispctl.Error{
		Kind: ispctl.Conflict, Object: "admin network", Cause: fmt.Sprintf("none of %s is free on this host", words(defaultAdmin)),
		Next: "name one, or do without: --admin-prefix PREFIX or --admin-prefix none",
	}
}

// takeLegs takes the legs of an admin network that is no more. A guest's
// address is for its life, so there must be nobody on them.
func takeLegs(tx *state.Tx, m *ispctl.Model) error {
	var on []ispctl.Name
	for _, vm := range m.VMs {
		if len(vm.AdminNICs()) > 0 {
			on = append(on, vm.Name)
		}
	}
	if len(on) > 0 {
		return inUse("admin network", m.Admin.Prefix.String(), "vm", on, "destroy them first: ispctl vm destroy")
	}
	for _, z := range m.Zones {
		z.Leg = netip.Prefix{}
		if err := tx.PutZone(z); err != nil {
			return err
		}
	}
	return nil
}

// giveLegs gives a leg to each zone that has none.
func giveLegs(tx *state.Tx) ([]string, error) {
	m, err := tx.Model()
	if err != nil || !m.Admin.Configured() {
		return nil, err
	}
	var said []string
	for i := range m.Zones {
		z := &m.Zones[i]
		if z.Leg.IsValid() {
			continue
		}
		if z.Leg, err = zones.LegFor(m, *z); err != nil {
			return nil, err
		}
		if err := tx.PutZone(*z); err != nil {
			return nil, err
		}
		said = append(said, fmt.Sprintf("+ leg %s of zone %s", z.Leg, z.Name))
	}
	return said, nil
}

// AdminView is the admin network as scripts see it.
type AdminView struct {
	Prefix   string   `json:"prefix"` // empty: there is none
	Links    []string `json:"links"`
	Services []string `json:"services"`
}

func viewAdmin(m *ispctl.Model) AdminView {
	v := AdminView{Links: list(m.Admin.Links), Services: []string{}}
	if m.Admin.Configured() {
		v.Prefix = m.Admin.Prefix.String()
	}
	for _, s := range m.Admin.Services {
		v.Services = append(v.Services, s.String())
	}
	return v
}

func prefixOrNone(p netip.Prefix) string {
	if !p.IsValid() {
		return "none"
	}
	return p.String()
}

// words are the members of a list, or the word none.
func words[T any](all []T) string {
	if len(all) == 0 {
		return "none"
	}
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = fmt.Sprint(one)
	}
	return strings.Join(texts, ",")
}
