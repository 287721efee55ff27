package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/operations"
)

func (a *app) vmCreate() *cobra.Command {
	var o operations.Options
	var spec operations.VMSpec
	var address, address6, memory, disk string
	var keyFiles, allow, tags []string
	var ifNotExists, rollback bool
	var wait waiting
	var count int
	c := &cobra.Command{
		Use:   "create NAME --template T --zone Z",
		Short: "Make a VM and start it",
		Long: `Make a VM and start it.

With --count they are several: NAME-1, NAME-2 and so on, all of them or none, each
with a MAC, an address and keys of its own. One command makes them much faster than
as many commands do.

What is promised stays, even if it does not come up: mend the cause and converge.
With --rollback it is taken back by itself, as ` + "`vm destroy`" + ` would.`,
		Example: `  ispctl vm create web1 --template debian-12 --zone dmz --plan small --ssh-key ~/.ssh/id_ed25519.pub --wait
  ispctl vm create web2 --template micro --zone dmz --plan small --dry-run
  ispctl vm create node --count 5 --template micro --zone dmz --plan tiny --wait`,
		Args: args(1, "the name of a VM"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, given []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			var err error
			if spec.Name, err = ispctl.ParseName("vm", given[0]); err != nil {
				return err
			}
			if address != "" {
				if spec.Address, err = parseAddress(address); err != nil {
					return err
				}
			}
			if address6 != "" {
				if spec.Address6, err = parseAddress(address6); err != nil {
					return err
				}
			}
			if c.Flags().Changed("cpus") && spec.CPUs < 1 {
				return ispctl.Invalid("number of CPUs", strconv.Itoa(spec.CPUs), "is no number from 1 on")
			}
			if spec.Memory, err = ownSize(memory); err != nil {
				return err
			}
			if spec.DiskSize, err = ownSize(disk); err != nil {
				return err
			}
			if spec.Allow, err = parseAll(allow, ispctl.ParseAllowance); err != nil {
				return err
			}
			if spec.Tags, err = parseAll(tags, ispctl.ParseTag); err != nil {
				return err
			}
			if spec.SSHKeys, err = readKeys(keyFiles); err != nil {
				return err
			}
			specs := []operations.VMSpec{spec}
			if c.Flags().Changed("count") {
				if specs, err = operations.Alike(spec, count); err != nil {
					return err
				}
			}
			names := make([]string, len(specs))
			for i := range specs {
				names[i] = string(specs[i].Name)
			}
			p, err := a.provider(c.Context())
			if err != nil {
				return err
			}
			made, err := p.NotThere(c.Context(), names)
			if err != nil {
				return err
			}
			r, err := p.CreateVMs(c.Context(), specs, ifNotExists, o)
			back := func(err error) error {
				if err == nil || !rollback || o.DryRun || !r.Changed() {
					return err
				}
				return a.takeBack(c.Context(), p, made, err)
			}
			if err != nil && r.Changed() && !o.DryRun {
				err = &ispctl.Error{
					Kind: ispctl.KindOf(err), Object: "vm " + quoted(names), Cause: "is made but not up", Err: err,
					Next: "mend the cause and run: ispctl converge (or give up with: ispctl vm destroy " + strings.Join(names, " ") + ")",
				}
			}
			if a.format == "table" {
				err = a.report(r, o, err)
			}
			if err != nil || o.DryRun {
				return back(err)
			}
			if err := wait.until(c.Context(), p, names...); err != nil {
				return back(err)
			}
			if a.format == "table" {
				return nil
			}
			views := make([]operations.VMView, len(names))
			for i, name := range names {
				if views[i], err = p.VM(c.Context(), name); err != nil {
					return err
				}
			}
			if c.Flags().Changed("count") {
				return vmListing.list(a, views)
			}
			return vmListing.show(a, views[0])
		},
	}
	c.Flags().StringVar(&spec.Template, "template", "", "what it is made from (see: ispctl template list)")
	c.Flags().StringVar(&spec.Zone, "zone", "", "where it lives")
	c.Flags().StringVar(&spec.Plan, "plan", "", "how large it is; without it, the template's")
	c.Flags().IntVar(&spec.CPUs, "cpus", 0, "virtual CPUs, in place of the plan's")
	c.Flags().StringVar(&memory, "memory", "", "memory, as 8GiB, in place of the plan's")
	c.Flags().StringVar(&disk, "disk", "", "size of its first disk, as 40GiB, where that is more than the plan's")
	c.Flags().StringVar(&spec.Tenant, "tenant", "", "whose it is; without it, your own")
	c.Flags().StringVar(&address, "address", "", "its address in the zone; without it the lowest free one")
	c.Flags().StringVar(&address6, "address6", "", "its IPv6 address, where the zone has an IPv6 prefix; without it the lowest free one")
	c.Flags().BoolVar(&spec.NoAdmin, "no-admin", false, "no interface on the admin leg of its zone")
	c.Flags().StringSliceVar(&allow, "allow", nil, "opt-outs of the wall for its first interface, as allow_ip_spoofing (see: ispctl nic allow --help)")
	c.Flags().StringSliceVar(&tags, "tags", nil, "VLANs of its zone's trunk that it takes part in, with tagged frames, as 10,20")
	c.Flags().StringArrayVar(&keyFiles, "ssh-key", nil, "file with public keys that may log in; may be given again")
	c.Flags().IntVar(&count, "count", 1, "make as many, with -1, -2 and so on after the name")
	wait.flags(c)
	c.Flags().BoolVar(&rollback, "rollback", false, "if it does not come up, or does not answer under --wait, destroy it again")
	c.Flags().BoolVar(&ifNotExists, "if-not-exists", false, "succeed if there is one of that name")
	dryRunFlag(c, &o)
	a.outputFlag(c)
	required(c, "template", "zone")
	_ = c.RegisterFlagCompletionFunc("template", a.completeTemplates)
	_ = c.RegisterFlagCompletionFunc("tenant", a.complete(tenantNames))
	_ = c.RegisterFlagCompletionFunc("zone", a.complete(zoneNames))
	_ = c.RegisterFlagCompletionFunc("allow", cobra.FixedCompletions(allowanceNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("plan", a.complete(planNames))
	return c
}

// ownSize reads a size that need not be given; none is the plan's.
func ownSize(text string) (ispctl.Size, error) {
	if text == "" {
		return 0, nil
	}
	return ispctl.ParseSize(text)
}

// takeBack destroys VMs that were made and did not come up, by the way that every
// VM goes, and returns why they did not. It is done even when the command is being
// broken off.
func (a *app) takeBack(ctx context.Context, p *operations.Provider, names []string, why error) error {
	if len(names) == 0 {
		return why
	}
	_, err := p.DestroyVMs(context.WithoutCancel(ctx), names, true, operations.Options{})
	if err != nil {
		return errors.Join(why, fmt.Errorf("take vm %s back: %w", quoted(names), err))
	}
	fmt.Fprintf(a.streams.Err, "vm %s: taken back\n", quoted(names))
	return why
}

// quoted is names for an error.
func quoted(names []string) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = strconv.Quote(name)
	}
	return strings.Join(texts, ", ")
}

// maxKeyFile is far more than any authorized_keys needs.
const maxKeyFile = 1 << 20

// readKeys reads public keys, one a line as in authorized_keys, without
// options.
func readKeys(files []string) ([]string, error) {
	var keys []string
	for _, file := range files {
		data, err := keyText(file)
		if err != nil {
			return nil, err
		}
		before := len(keys)
		n := 0
		for line := range strings.Lines(string(data)) {
			n++
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			key, err := ispctl.ParseSSHKey(line)
			if err != nil {
				return nil, &ispctl.Error{Kind: ispctl.Usage, Object: fmt.Sprintf("%s:%d", file, n), Err: err, Next: "give the public half, FILE.pub"}
			}
			keys = append(keys, key)
		}
		if len(keys) == before {
			return nil, ispctl.Invalid("ssh key file", file, "holds no key")
		}
	}
	return keys, nil
}

// keyText is what a file holds, or standard input where that is -.
func keyText(file string) ([]byte, error) {
	if file == "-" {
		data, err := io.ReadAll(io.LimitReader(os.Stdin, maxKeyFile+1))
		if err == nil && len(data) > maxKeyFile {
			err = ispctl.Invalid("ssh key", "", "has more than 1 MiB")
		}
		return data, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, &ispctl.Error{Kind: ispctl.Usage, Object: "ssh key file", Err: err}
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return nil, ispctl.Invalid("ssh key file", file, "is no regular file of at most 1 MiB")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, &ispctl.Error{Kind: ispctl.Usage, Object: "ssh key file", Err: err}
	}
	return data, nil
}
