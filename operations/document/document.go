// Package document is the file that `ispctl apply -f` reads and `ispctl export`
// writes: a whole provider as YAML. It is pure: text to values with the place
// of each in the file, and back.
//
// Decoding is strict. An unknown or repeated key, a value of the wrong kind, a
// bad name or address, an alias: each is an error that reads
// `FILE:LINE:COLUMN: REASON`, all of them are reported at once, and nothing of
// a document with errors is used.
package document

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"

	"ispctl"
)

// Version is the one version of the format.
const Version = 1

// At is a place in the file, counted from one.
type At struct{ Line, Column int }

// Document is a provider as its operator wrote it down. What the file does not
// mention is not in it.
type Document struct {
	File string

	Uplink       *ispctl.Uplink
	Delivers     *[]netip.Prefix // by the provider to the uplink
	UplinkAt     At
	HostServices *[]ispctl.Service
	HostSources  *[]netip.Prefix // empty: everybody
	Sharing      *ispctl.SharingChange
	Admin        *Admin
	Addresses    []Address
	Zones        []Zone
	Plans        []Plan
	Tenants      []Tenant
	VPN          *VPN
	Gateway      *ispctl.Gateway
	VMs          []VM
	Forwards     []Forward
	Policies     []Policy
	Flows        []Flow
	Totals       []Total
	Metering     *Metering
	Quotas       []Quota
	Tariffs      []Tariff
}

// Admin is the admin network. What is nil is not mentioned.
type Admin struct {
	At
	Prefix   *netip.Prefix // invalid: there is to be none
	Links    *[]string
	Services *[]ispctl.Service
}

// Address is an external address. One that is not listed with what it is for
// stays as it is.
type Address struct {
	At, VMAt At
	Listed   bool
	ispctl.Address
}

// Zone is a zone.
type Zone struct {
	At, SNATAt At
	ispctl.Zone
}

// Plan is a plan.
type Plan struct {
	At
	ispctl.Plan
}

// VM is a VM as it is asked for.
type VM struct {
	At, TemplateAt, ZoneAt, PlanAt At

	Name     ispctl.Name
	Template string
	Zone     string
	Plan     string
	SSHKeys  *[]string // nil: not mentioned
	Allow    *[]ispctl.Allowance
	Tags     *[]int
	Address  netip.Addr     // invalid: not mentioned
	Address6 netip.Addr     // the same
	State    ispctl.Wanted  // empty: not mentioned
	Admin    *bool          // whether it has a NIC on its zone's admin leg; nil: not mentioned
	Limits   *ispctl.Limits // nil: not mentioned
	Tenant   *ispctl.Name   // empty: the operator's own; nil: not mentioned
	TenantAt At

	VMParts
}

// Forward is a forward.
type Forward struct {
	At, ListenAt, ToAt At
	ispctl.Forward
}

// Flow is a flow limit.
type Flow struct {
	At, VMAt At
	ispctl.Flow
}

// Total is what all guests of a zone or a tenant may have of the uplink together.
type Total struct {
	At, NameAt At
	ispctl.Total
}

// Policy is one policy; a line of the file that lists several services makes
// one of each.
type Policy struct {
	At, FromAt, ToAt At
	ispctl.Policy
}

// OnlyVM reports whether the document is about that VM and nothing else.
func (d *Document) OnlyVM(name string) bool {
	rest := *d
	rest.File, rest.VMs = "", nil
	return len(d.VMs) == 1 && string(d.VMs[0].Name) == name && reflect.DeepEqual(rest, Document{})
}

// At gives an error its place in the file, and keeps its kind.
func (d *Document) At(at At, err error) error {
	return &ispctl.Error{Kind: ispctl.KindOf(err), Cause: fmt.Sprintf("%s:%d:%d", d.File, at.Line, at.Column), Err: err}
}

// Error is a usage error at a place in the file.
func (d *Document) Error(at At, err error) error { return errorAt(d.File, at, err) }

// Place gives an error about an object of the document its place in the file,
// and keeps its kind. One about anything else is returned as it is.
func (d *Document) Place(err error) error {
	e, ok := errors.AsType[*ispctl.Error](err)
	if !ok {
		return err
	}
	at, ok := d.places()[e.Object]
	if !ok {
		return err
	}
	return d.At(at, err)
}

// places is where each object stands, by the way errors name it.
func (d *Document) places() map[string]At {
	places := map[string]At{}
	for _, z := range d.Zones {
		places[fmt.Sprintf("zone %q", z.Name)] = z.At
	}
	for _, a := range d.Addresses {
		places[fmt.Sprintf("address %q", a.Addr)] = a.At
	}
	for _, p := range d.Plans {
		places[fmt.Sprintf("plan %q", p.Name)] = p.At
	}
	for _, t := range d.Tenants {
		places[fmt.Sprintf("tenant %q", t.Name)] = t.At
	}
	if d.VPN != nil {
		places[fmt.Sprintf("vpn prefix %q", d.VPN.Prefix)] = d.VPN.At
		for _, p := range d.VPN.Peers {
			places[fmt.Sprintf("peer %q", p.Name)] = p.At
		}
	}
	for _, vm := range d.VMs {
		places[fmt.Sprintf("vm %q", vm.Name)] = vm.At
	}
	for _, f := range d.Forwards {
		places[fmt.Sprintf("forward %q", f.Outside())] = f.At
	}
	for _, p := range d.Policies {
		places[fmt.Sprintf("policy %q", p.Policy.String())] = p.At
	}
	for _, f := range d.Flows {
		places[fmt.Sprintf("flow %q", f.Name())] = f.At
	}
	for _, t := range d.Totals {
		places[fmt.Sprintf("total %q", t.Of())] = t.At
	}
	if d.Uplink != nil {
		places[fmt.Sprintf("uplink %q", d.Uplink.Interface)] = d.UplinkAt
	}
	return places
}

func errorAt(file string, at At, err error) error {
	return &ispctl.Error{
		Kind:  ispctl.Usage,
		Cause: fmt.Sprintf("%s:%d:%d", file, max(at.Line, 1), max(at.Column, 1)), Err: err,
	}
}
