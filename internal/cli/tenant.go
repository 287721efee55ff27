package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

var tenantListing = listing[operations.TenantView]{
	name: func(v operations.TenantView) string { return string(v.Name) },
	columns: []column[operations.TenantView]{
		{"NAME", false, func(v operations.TenantView) string { return string(v.Name) }},
		{"STATE", false, func(v operations.TenantView) string {
			return map[bool]string{true: "suspended", false: "active"}[v.Suspended]
		}},
		{"VMS", false, func(v operations.TenantView) string { return join(v.VMs) }},
		{"USED", false, func(v operations.TenantView) string { return tenantShareText(v.Used, true) }},
		{"SHARE", false, func(v operations.TenantView) string { return tenantShareText(v.Share, false) }},
		{"KEYS", true, func(v operations.TenantView) string { return strconv.Itoa(len(v.Keys)) }},
		{"ADDRESSES", true, func(v operations.TenantView) string { return strings.Join(v.Addresses, ",") }},
		{"TITLE", true, func(v operations.TenantView) string { return v.Title }},
		{"CONTACT", true, func(v operations.TenantView) string { return v.Contact }},
	},
}

// tenantShareText is a share in words; what is used names only what is.
func tenantShareText(s operations.ShareView, used bool) string {
	var words []string
	for _, one := range []struct {
		name, text string
		n          int64
	}{
		{"vms", strconv.FormatInt(s.VMs, 10), s.VMs},
		{"cpus", strconv.FormatInt(s.CPUs, 10), s.CPUs},
		{"memory", size(s.Memory), s.Memory},
		{"disk", size(s.Disk), s.Disk},
		{"addresses", strconv.FormatInt(s.Addresses, 10), s.Addresses},
		{"bandwidth", ispctl.Rate(s.Bandwidth).String(), s.Bandwidth},
	} {
		switch {
		case one.n == 0:
		case one.n < 0:
			words = append(words, one.name+" unbounded")
		default:
			words = append(words, one.name+" "+one.text)
		}
	}
	if len(words) == 0 && !used {
		return "no bound"
	}
	return strings.Join(words, ", ")
}

var tenantKeyListing = listing[operations.TenantKeyView]{
	name: func(v operations.TenantKeyView) string { return v.Fingerprint },
	columns: []column[operations.TenantKeyView]{
		{"FINGERPRINT", false, func(v operations.TenantKeyView) string { return v.Fingerprint }},
		{"TYPE", false, func(v operations.TenantKeyView) string { return v.Type }},
		{"COMMENT", false, func(v operations.TenantKeyView) string { return v.Comment }},
	},
}

func (a *app) tenantCmd() *cobra.Command {
	return group("tenant", "Who owns VMs: its share, its keys, its suspension",
		a.tenantCreate(), a.tenantList(), a.tenantShow(), a.tenantSet(), a.tenantSuspend(), a.tenantResume(), a.tenantDelete(), a.tenantHandoff(),
		group("key", "SSH keys that a tenant comes to the gateway with", a.tenantKeyAdd(), a.tenantKeyList(), a.tenantKeyRemove()))
}

// shareFlags adds a flag per bound, and returns what reads those that were
// given.
func shareFlags(c *cobra.Command, words string) func() map[string]string {
	texts := map[string]*string{}
	for _, f := range ispctl.ShareTable() {
		texts[f.Name] = c.Flags().String(f.Name, "", "bound of its share: "+f.Help+" ("+f.Unit+words+")")
	}
	return func() map[string]string {
		given := map[string]string{}
		for name, text := range texts {
			if c.Flags().Changed(name) {
				given[name] = *text
			}
		}
		return given
	}
}
