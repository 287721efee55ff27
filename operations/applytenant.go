package operations

import (
	"slices"

	"ispctl"
	"ispctl/operations/document"
)

// tenants makes and changes tenants. Keys go last: one that moves from a tenant
// to another is nobody's in between.
func (a *applier) tenants() error {
	var later []ispctl.Tenant
	for _, one := range a.doc.Tenants {
		want := one.Tenant
		have, err := a.have.Tenant(string(want.Name))
		if !one.KeysGiven {
			want.Keys = have.Keys
		}
		if !one.SuspendedGiven {
			want.Suspended = have.Suspended
		}
		want.Applied = err != nil || have.Applied
		switch said := tenantChanges(have, want); {
		case err != nil:
			a.say("+ tenant %s", tenantText(want))
		case said == "":
			continue
		default:
			a.say("~ tenant %s %s", want.Name, said)
		}
		later = append(later, want)
		bare := want
		bare.Keys = nil
		if err := a.tx.PutTenant(bare); err != nil {
			return a.doc.At(one.At, err)
		}
	}
	for _, t := range later {
		if err := a.tx.PutTenant(t); err != nil {
			return a.doc.Place(err)
		}
	}
	return nil
}

func (a *applier) pruneTenants() error {
	return pruneEach(a.have.Tenants, func(t ispctl.Tenant) bool {
		return t.Applied && !slices.ContainsFunc(a.doc.Tenants, func(d document.Tenant) bool { return d.Name == t.Name })
	}, func(t ispctl.Tenant) error {
		return a.drop("tenant", string(t.Name), func(m *ispctl.Model) []ispctl.Name { return m.VMsOf(t.Name) }, func() error { return a.tx.DeleteTenant(t.Name) })
	})
}

// giveVM changes whose a VM is, if the document says.
func giveVM(want document.VM, have, next *ispctl.VM) field {
	if want.Tenant != nil {
		next.Tenant = *want.Tenant
	}
	return field{"tenant", orNone(string(have.Tenant)), orNone(string(next.Tenant))}
}

func (a *applier) gateway() error {
	want := a.doc.Gateway
	if want == nil || *want == a.have.Gateway {
		return nil
	}
	a.say("~ gateway listen %s -> %s", gatewayText(a.have.Gateway), gatewayText(*want))
	return a.tx.PutGateway(*want)
}
