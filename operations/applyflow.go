package operations

import (
	"slices"

	"ispctl"
	"ispctl/operations/document"
)

// flows makes the flow limits that are not there and changes those that are.
func (a *applier) flows() error {
	for _, one := range a.doc.Flows {
		m, err := a.tx.Model()
		if err != nil {
			return err
		}
		want := one.Flow
		have, there := findFlow(m, want)
		want.Slot, want.Applied = have.Slot, !there || have.Applied
		switch {
		case !there:
			if want.Slot, err = freeSlot(m, want); err != nil {
				return a.doc.At(one.At, err)
			}
			a.say("+ flow %s %s", want.Name(), want.Says())
		case want == have:
			continue
		default:
			a.say("~ flow %s %s", want.Name(), changes(field{"limit", have.Says(), want.Says()}))
		}
		if err := a.tx.PutFlow(want); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) pruneFlows() error {
	return pruneEach(a.have.Flows, func(f ispctl.Flow) bool {
		return f.Applied && !slices.ContainsFunc(a.doc.Flows, func(d document.Flow) bool { return d.Name() == f.Name() })
	}, func(f ispctl.Flow) error {
		a.say("- flow %s", f.Name())
		return a.tx.DeleteFlow(f)
	})
}
