package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

// noTags is the word for a NIC that bears none.
const noTags = "none"

func (a *app) nicAllow() *cobra.Command {
	return a.nicAllowances("allow VM NIC ALLOWANCE...", "Let a NIC of a VM do what guests otherwise may not",
		`Let a NIC of a VM do what guests otherwise may not. NIC is counted from 0.

  allow_mac_spoofing        frames from any Ethernet address: for a guest that is a bridge
  allow_ip_spoofing         packets from any IP address: for a guest that is a router
  allow_dhcp_spoofing       answers of DHCP and DHCPv6 servers, IPv6 router advertisements
  allow_restricted_traffic  groups, other transports (VRRP, OSPF), other Ethernet types

Each opens its own kind of frame and no other. What bridges say to each other
(STP, LLDP) stays closed.`,
		"  ispctl nic allow router1 0 allow_ip_spoofing",
		func(all []ispctl.Allowance) operations.NICChange { return operations.NICChange{Allow: all} })
}

func (a *app) nicDeny() *cobra.Command {
	return a.nicAllowances("deny VM NIC ALLOWANCE...", "Take back what a NIC of a VM was let do", "",
		"  ispctl nic deny router1 0 allow_ip_spoofing",
		func(all []ispctl.Allowance) operations.NICChange { return operations.NICChange{Deny: all} })
}

func (a *app) nicAllowances(use, short, long, example string, change func([]ispctl.Allowance) operations.NICChange) *cobra.Command {
	return a.nicCommand(&cobra.Command{Use: use, Short: short, Long: long, Example: example}, allowanceNames(), func(words []string) (operations.NICChange, error) {
		all, err := parseAll(words, ispctl.ParseAllowance)
		return change(all), err
	})
}

func (a *app) nicTags() *cobra.Command {
	return a.nicCommand(&cobra.Command{
		Use: "tags VM NIC TAG...", Short: "Say in which VLANs of its zone's trunk a NIC of a VM takes part",
		Long: `Say in which VLANs of its zone's trunk a NIC of a VM takes part, with tagged
frames, in place of those it was in. NIC is counted from 0; "none" is no VLAN.
The zone must have a trunk and no VLAN of its own.`,
		Example: "  ispctl nic tags web1 0 10 20\n  ispctl nic tags web1 0 none",
	}, []string{noTags}, func(words []string) (operations.NICChange, error) {
		tags := []int{}
		if len(words) == 1 && words[0] == noTags {
			return operations.NICChange{Tags: &tags}, nil
		}
		tags, err := parseAll(words, ispctl.ParseTag)
		return operations.NICChange{Tags: &tags}, err
	})
}

// nicCommand is a command about a NIC of a VM and words that follow.
func (a *app) nicCommand(c *cobra.Command, words []string, parse func([]string) (operations.NICChange, error)) *cobra.Command {
	var o operations.Options
	c.Args = func(_ *cobra.Command, given []string) error {
		if len(given) < 3 {
			return ispctl.Invalid("nic", "", "want a VM, the number of its NIC, and at least one more word")
		}
		return nil
	}
	c.ValidArgsFunction = func(c *cobra.Command, given []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		switch len(given) {
		case 0:
			return a.complete(vmNames)(c, given, word)
		case 1:
			return nothing(c, given, word)
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
	c.RunE = func(c *cobra.Command, given []string) error {
		index, err := strconv.Atoi(given[1])
		if err != nil {
			return ispctl.Invalid("nic", given[1], "is no number; NICs are counted from 0")
		}
		change, err := parse(given[2:])
		if err != nil {
			return err
		}
		p, err := a.provider(c.Context())
		if err != nil {
			return err
		}
		r, err := p.SetNIC(c.Context(), given[0], index, change, o)
		return a.report(r, o, err)
	}
	dryRunFlag(c, &o)
	wallFlags(c, &o)
	return c
}

func parseAll[T any](words []string, parse func(string) (T, error)) ([]T, error) {
	all := make([]T, len(words))
	for i, word := range words {
		var err error
		if all[i], err = parse(word); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func allowanceNames() []string {
	return namesOf(ispctl.Allowances(), func(a ispctl.Allowance) string { return string(a) })
}
