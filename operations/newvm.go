package operations

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/netip"

	"ispctl"
	"ispctl/state"
	"ispctl/templates"
	"ispctl/zones"
)

// VMSpec is what is asked for when a VM is made.
type VMSpec struct {
	Name     ispctl.Name
	Template string
	Zone     string
	Plan     string // empty: the template's
	Tenant   string // empty: the operator's own
	SSHKeys  []string
	Address  netip.Addr // invalid: the lowest free one of the zone
	Address6 netip.Addr // the same for IPv6, where the zone has it
	Limits   ispctl.Limits
	Allow    []ispctl.Allowance // opt-outs of its first NIC
	Tags     []int              // VLANs that its first NIC takes part in
	Applied  bool

	// Its own sizes; zero: the plan's.
	CPUs             int
	Memory, DiskSize ispctl.Size
	Autostart        ispctl.Autostart

	NoAdmin   bool // no NIC on the admin leg of its zone
	NeedAdmin bool // one there, or an error; without either, one where there is a leg
}

// maker makes VMs within one transaction: it keeps track of the addresses it
// has handed out.
type maker struct {
	tx        *state.Tx
	model     *ispctl.Model
	templates templates.Set
	addresses map[pool]*zones.Allocator
}

// pool is a prefix that addresses are handed out of.
type pool struct {
	zone ispctl.Name
	six  bool
	role ispctl.NICRole
}

func newMaker(tx *state.Tx, m *ispctl.Model, set templates.Set) *maker {
	return &maker{tx: tx, model: m, templates: set, addresses: map[pool]*zones.Allocator{}}
}

// create makes a VM of a spec, and inserts it.
func (mk *maker) create(spec VMSpec) (ispctl.VM, error) {
	vm, err := mk.plan(spec)
	if err == nil {
		err = giveHostKey(mk.model.Paths, &vm)
	}
	if err != nil {
		return ispctl.VM{}, err
	}
	return mk.tx.InsertVM(vm)
}

// plan looks up what the spec names and reserves what the VM will be known by.
func (mk *maker) plan(spec VMSpec) (ispctl.VM, error) {
	t, err := mk.templates.Get(spec.Template)
	if err != nil {
		return ispctl.VM{}, err
	}
	zone, err := mk.model.Zone(spec.Zone)
	if err != nil {
		return ispctl.VM{}, err
	}
	if spec.Plan = cmp.Or(spec.Plan, string(t.Plan)); spec.Plan == "" {
		return ispctl.VM{}, &ispctl.Error{
			Kind: ispctl.Usage, Object: fmt.Sprintf("vm %q", spec.Name), Cause: fmt.Sprintf("no plan is named, and template %q has none", t.Name),
			Next: "name one with --plan (see: ispctl plan list)",
		}
	}
	plan, err := mk.model.Plan(spec.Plan)
	if err != nil {
		return ispctl.VM{}, err
	}
	_, image, err := imageOf(mk.templates, mk.model, spec.Template)
	if err != nil {
		return ispctl.VM{}, err
	}
	if spec.Tenant != "" {
		if _, err := mk.model.Tenant(spec.Tenant); err != nil {
			return ispctl.VM{}, err
		}
	}
	addr, err := mk.address(pool{zone: zone.Name}, zone, spec.Name, spec.Address)
	if err != nil {
		return ispctl.VM{}, err
	}
	addr6, err := mk.address6(zone, spec)
	if err != nil {
		return ispctl.VM{}, err
	}
	if spec.NeedAdmin && !zone.Leg.IsValid() {
		return ispctl.VM{}, &ispctl.Error{
			Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", spec.Name), Cause: fmt.Sprintf("zone %q has no admin leg", zone.Name),
			Next: "declare an admin network: ispctl init --admin-prefix PREFIX",
		}
	}
	nics := []ispctl.NIC{{Zone: zone.Name, MAC: newMAC(), Addr: addr, Addr6: addr6, Allow: sortedUnique(spec.Allow), Tags: sortedUnique(spec.Tags)}}
	if zone.Leg.IsValid() && !spec.NoAdmin {
		admin, err := mk.adminNIC(zone, spec.Name)
		if err != nil {
			return ispctl.VM{}, err
		}
		nics = append(nics, admin)
	}
	return ispctl.VM{
		UUID: newUUID(), Name: spec.Name, Zone: zone.Name, Plan: plan.Name, Template: t.Name, Image: image.Digest, Tenant: ispctl.Name(spec.Tenant),
		SSHKeys: spec.SSHKeys, Wanted: ispctl.Running, Applied: spec.Applied, Limits: spec.Limits,
		CPUs: spec.CPUs, Memory: spec.Memory, DiskSize: spec.DiskSize, Autostart: spec.Autostart,
		NICs: nics,
	}, nil
}

// address takes the one asked for, or the lowest free one.
func (mk *maker) address(p pool, zone ispctl.Zone, vm ispctl.Name, asked netip.Addr) (netip.Addr, error) {
	a := mk.addresses[p]
	if a == nil {
		switch {
		case p.role == ispctl.AdminNIC:
			a = zones.NewLegAllocator(mk.model, zone)
		case p.six:
			a = zones.NewAllocator6(mk.model, zone)
		default:
			a = zones.NewAllocator(mk.model, zone)
		}
		mk.addresses[p] = a
	}
	if !asked.IsValid() {
		return a.Next(vm)
	}
	return asked, a.Take(vm, asked)
}

// address6 is the VM's IPv6 address; there is none where the zone has no
// prefix.
func (mk *maker) address6(zone ispctl.Zone, spec VMSpec) (netip.Addr, error) {
	if !zone.Prefix6.IsValid() {
		if spec.Address6.IsValid() {
			return netip.Addr{}, ispctl.Conflicting("vm", string(spec.Name), "is to have %s, and zone %q has no IPv6 prefix", spec.Address6, zone.Name)
		}
		return netip.Addr{}, nil
	}
	return mk.address(pool{zone: zone.Name, six: true}, zone, spec.Name, spec.Address6)
}

// adminNIC is a NIC on the zone's leg, with the lowest free address there.
func (mk *maker) adminNIC(zone ispctl.Zone, vm ispctl.Name) (ispctl.NIC, error) {
	addr, err := mk.address(pool{zone: zone.Name, role: ispctl.AdminNIC}, zone, vm, netip.Addr{})
	if err != nil {
		return ispctl.NIC{}, &ispctl.Error{
			Kind: ispctl.Conflict, Object: fmt.Sprintf("vm %q", vm), Cause: fmt.Sprintf("the admin leg %s of zone %q has no free address", zone.Leg, zone.Name),
			Next: "make it without: --no-admin",
		}
	}
	return ispctl.NIC{Role: ispctl.AdminNIC, Zone: zone.Name, MAC: newMAC(), Addr: addr}, nil
}

// imageOf is a template, and the newest image it names.
func imageOf(set templates.Set, m *ispctl.Model, name string) (templates.Template, ispctl.Image, error) {
	t, err := set.Get(name)
	if err != nil {
		return t, ispctl.Image{}, err
	}
	image, err := m.Image(string(t.Image))
	if err != nil {
		return t, image, &ispctl.Error{
			Kind: ispctl.NotFound, Object: fmt.Sprintf("template %q", t.Name), Cause: fmt.Sprintf("its image %q has not been built", t.Image),
			Next: "run: ispctl image build " + string(t.Image),
		}
	}
	if t.Boot != "" && t.Boot != bootText(image.DiskBoot) {
		return t, image, &ispctl.Error{
			Kind: ispctl.Conflict, Object: fmt.Sprintf("template %q", t.Name),
			Cause: fmt.Sprintf("boots by %s, and its image %q by %s", t.Boot, image.Name, bootText(image.DiskBoot)),
			Next:  "see: ispctl image show " + string(image.Name),
		}
	}
	return t, image, nil
}

// newUUID is a random one (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newMAC is a random locally administered unicast address (IEEE 802, 8.4). A
// clash of two is refused by the database.
func newMAC() string {
	var b [5]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4])
}
