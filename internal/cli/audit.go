package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ispctl/operations"
)

var auditListing = listing[operations.AuditView]{
	name: func(v operations.AuditView) string { return strconv.FormatInt(v.ID, 10) },
	columns: []column[operations.AuditView]{
		{"ID", false, func(v operations.AuditView) string { return strconv.FormatInt(v.ID, 10) }},
		{"AT", false, func(v operations.AuditView) string { return v.At.Format(time.RFC3339) }},
		{"ACTOR", false, func(v operations.AuditView) string { return v.Actor }},
		{"ROLE", false, func(v operations.AuditView) string { return v.Role }},
		{"OPERATION", false, func(v operations.AuditView) string { return v.Operation }},
		{"OBJECT", false, func(v operations.AuditView) string { return v.Object }},
		{"DETAIL", false, func(v operations.AuditView) string { return v.Detail }},
		{"UID", true, func(v operations.AuditView) string { return strconv.Itoa(v.UID) }},
		{"SOURCE", true, func(v operations.AuditView) string { return v.Source }},
		{"HASH", true, func(v operations.AuditView) string { return v.Hash }},
	},
}

func (a *app) auditList() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List the newest changes, and who asked for them",
		Example: "  ispctl audit list\n  ispctl audit list --limit 0 -o csv",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			rows, err := p.Audit(c.Context(), limit)
			if err != nil {
				return err
			}
			return auditListing.list(a, rows)
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "no more than that many of the newest; 0 for all")
	a.outputFlag(c)
	return c
}

func (a *app) auditVerify() *cobra.Command {
	var head string
	c := &cobra.Command{
		Use: "verify", Short: "Look whether the journal is as it was written",
		Long: `Look whether the journal is as it was written.

Every row holds a hash of itself and of the row before, and the newest is kept in
a file beside the database as well: rows that were changed, removed, added, moved
or cut off are found. Who can write to both, as root can, can write all of it
anew; that is found with a head that was kept elsewhere, which --head compares.
It ends with 1 where anything is wrong.`,
		Example: "  ispctl audit verify\n  ispctl audit verify --head 17:8c0f0d2b6e5c4e0f7a53a0f5e2b1c3d4e5f60718293a4b5c6d7e8f9001122334",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			v, err := p.VerifyAudit(c.Context(), head)
			for _, fault := range v.Faults {
				fmt.Fprintln(a.streams.Out, fault)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Out, "%s, none changed or missing\nhead %s\n", plural(v.Rows, "row"), v.Head)
			if v.Behind > 0 {
				fmt.Fprintf(a.streams.Err, "the file of the head does not know the newest %s yet, as after a power cut; the next change brings it on\n", plural(v.Behind, "row"))
			}
			return nil
		},
	}
	c.Flags().StringVar(&head, "head", "", "a head that was kept elsewhere, as it was printed: ID:HASH")
	return c
}

func (a *app) auditExport() *cobra.Command {
	return &cobra.Command{
		Use: "export", Short: "Write the whole journal, a line of JSON for each row", Example: "  ispctl audit export > journal.jsonl",
		Args: args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			return p.ExportAudit(c.Context(), a.streams.Out)
		},
	}
}
