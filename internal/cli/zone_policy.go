package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) zonePolicy() *cobra.Command {
	return group("policy", "What may be opened from one zone to another, to the Internet and to the host",
		a.zonePolicyAllow(), a.zonePolicyDeny(), a.zonePolicyList())
}

// policyFlags are the flags of allow, deny and check that say what is meant.
type policyFlags struct {
	services []string
	families []string
}

func (f *policyFlags) add(c *cobra.Command, none string) {
	c.Flags().StringSliceVar(&f.services, "service", nil, "tcp/PORT, udp/PORT or icmp; may be given again; without it, "+none)
	c.Flags().StringSliceVar(&f.families, "family", []string{string(ispctl.IPv4)}, "ipv4, ipv6 or both; a policy for one says nothing of the other")
	_ = c.RegisterFlagCompletionFunc("family", cobra.FixedCompletions([]string{string(ispctl.IPv4), string(ispctl.IPv6)}, cobra.ShellCompDirectiveNoFileComp))
}

func (f *policyFlags) spec(given []string) (operations.PolicySpec, error) {
	s := operations.PolicySpec{From: given[0], To: given[1]}
	for _, text := range f.services {
		o, err := ispctl.ParseOpening(text)
		if err != nil {
			return s, err
		}
		s.Openings = append(s.Openings, o)
	}
	for _, text := range f.families {
		family, err := ispctl.ParseFamily(text)
		if err != nil {
			return s, err
		}
		s.Families = append(s.Families, family)
	}
	return s, nil
}

func endNames(m *ispctl.Model) []string {
	return namesOf(m.EndNames(), func(e ispctl.End) string { return string(e) })
}

// completeEnds offers zones and the two words for the two ends.
func (a *app) completeEnds(c *cobra.Command, given []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(given) > 1 {
		return nothing(c, given, word)
	}
	return a.complete(endNames)(c, given, word)
}

var cellListing = listing[operations.CellView]{
	name: func(v operations.CellView) string {
		return string(v.From) + "->" + string(v.To) + "/" + string(v.Family)
	},
	columns: []column[operations.CellView]{
		{"FROM", false, func(v operations.CellView) string { return string(v.From) }},
		{"TO", false, func(v operations.CellView) string { return string(v.To) }},
		{"FAMILY", false, func(v operations.CellView) string { return string(v.Family) }},
		{"SERVICES", false, func(v operations.CellView) string { return strings.Join(v.Services, ",") }},
	},
}
