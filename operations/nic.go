package operations

import (
	"context"
	"fmt"
	"slices"

	"ispctl"
	"ispctl/state"
)

// NICChange is what to change of a NIC. What is nil stays.
type NICChange struct {
	Allow []ispctl.Allowance // opt-outs to add
	Deny  []ispctl.Allowance // opt-outs to take back
	Tags  *[]int             // in place of those it has
}

// SetNIC changes what a NIC of a VM is let do.
func (p *Provider) SetNIC(ctx context.Context, name string, index int, change NICChange, o Options) (Result, error) {
	return p.changeWalls(ctx, o, state.Entry{Operation: "nic set", Object: "vm " + name, Detail: fmt.Sprintf("nic %d", index)}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		vm, err := guestNamed(m, name)
		if err != nil {
			return nil, err
		}
		have, err := nicOf(vm, index)
		if err != nil {
			return nil, err
		}
		want := have
		want.Allow = slices.DeleteFunc(sortedUnique(slices.Concat(have.Allow, change.Allow)), func(a ispctl.Allowance) bool { return slices.Contains(change.Deny, a) })
		if change.Tags != nil {
			want.Tags = sortedUnique(*change.Tags)
		}
		return putNIC(tx, vm, have, want)
	})
}

// putNIC records a NIC that may be as it was, and says what is new.
func putNIC(tx *state.Tx, vm ispctl.VM, have, want ispctl.NIC) ([]string, error) {
	said := nicChanges(have, want)
	if said == "" {
		return nil, nil
	}
	return []string{fmt.Sprintf("~ vm %s nic %d %s", vm.Name, want.Index, said)}, tx.UpdateNIC(vm.ID, want)
}

func nicChanges(have, want ispctl.NIC) string {
	return changes(field{"allow", fmt.Sprint(have.Allow), fmt.Sprint(want.Allow)}, field{"tags", fmt.Sprint(have.Tags), fmt.Sprint(want.Tags)})
}

func sortedUnique[T interface{ ~string | ~int }](all []T) []T {
	all = slices.Clone(all)
	slices.Sort(all)
	return slices.Compact(all)
}
