package operations

import (
	"context"
	"strings"

	"ispctl"
)

// TenantView is a tenant as scripts see it.
type TenantView struct {
	Name      ispctl.Name     `json:"name"`
	Title     string          `json:"title"`
	Contact   string          `json:"contact"`
	Suspended bool            `json:"suspended"`
	Keys      []TenantKeyView `json:"keys"`
	Share     ShareView       `json:"share"` // 0: no bound
	Used      ShareView       `json:"used"`
	VMs       []ispctl.Name   `json:"vms"`
	Addresses []string        `json:"addresses"` // that its VMs have to themselves
}

// ShareView is a share as scripts see it.
type ShareView struct {
	VMs       int64 `json:"vms"`
	CPUs      int64 `json:"cpus"`
	Memory    int64 `json:"memory_bytes"`
	Disk      int64 `json:"disk_bytes"`
	Addresses int64 `json:"addresses"`
	Bandwidth int64 `json:"bandwidth_bits_per_second"` // -1, where it is used: a VM has no ceiling
}

// TenantKeyView is a key a tenant comes to the gateway with.
type TenantKeyView struct {
	Fingerprint string `json:"fingerprint"`
	Type        string `json:"type"`
	Comment     string `json:"comment"`
}

func viewShare(s ispctl.Share) ShareView {
	return ShareView{
		VMs: s.VMs, CPUs: s.CPUs, Memory: int64(s.Memory), Disk: int64(s.Disk), Addresses: s.Addresses,
		Bandwidth: bandwidthView(s),
	}
}

func bandwidthView(s ispctl.Share) int64 {
	if s.Unbounded() {
		return -1
	}
	return int64(s.Bandwidth)
}

func viewTenant(m *ispctl.Model, t ispctl.Tenant) TenantView {
	v := TenantView{
		Name: t.Name, Title: t.Title, Contact: t.Contact, Suspended: t.Suspended,
		Keys: viewKeys(t.Keys), Share: viewShare(t.Share), Used: viewShare(m.UsedBy(t.Name)),
		VMs: list(m.VMsOf(t.Name)), Addresses: []string{},
	}
	for _, vm := range v.VMs {
		for _, a := range m.AddressesOf(vm, ispctl.VMModes...) {
			v.Addresses = append(v.Addresses, a.Addr.String())
		}
	}
	return v
}

func viewKeys(keys []string) []TenantKeyView {
	views := make([]TenantKeyView, len(keys))
	for i, key := range keys {
		kind, _, _ := strings.Cut(key, " ")
		views[i] = TenantKeyView{Fingerprint: ispctl.KeyFingerprint(key), Type: kind, Comment: keyComment(key)}
	}
	return views
}

// Tenants lists the tenants.
func (p *Provider) Tenants(ctx context.Context) ([]TenantView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]TenantView, len(m.Tenants))
	for i, t := range m.Tenants {
		views[i] = viewTenant(m, t)
	}
	return views, nil
}

// Tenant shows one tenant.
func (p *Provider) Tenant(ctx context.Context, name string) (TenantView, error) {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return TenantView{}, err
	}
	t, err := m.Tenant(name)
	if err != nil {
		return TenantView{}, err
	}
	return viewTenant(m, t), nil
}

// TenantKeys lists the keys of a tenant.
func (p *Provider) TenantKeys(ctx context.Context, name string) ([]TenantKeyView, error) {
	v, err := p.Tenant(ctx, name)
	return v.Keys, err
}
