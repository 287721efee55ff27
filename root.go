package ispctl

import "time"

// RootHolder says to whom root on a VM was handed over; the zero value is: to
// nobody, it is the operator's.
type RootHolder struct {
	Tenant   Name
	Since    time.Time
	Operator bool // the operator kept the keys that were there
}

// Holder is the tenant that has root now: who it was handed to, as long as the VM
// is that tenant's.
func (v VM) Holder() Name {
	if v.Root.Tenant != v.Tenant {
		return ""
	}
	return v.Root.Tenant
}
