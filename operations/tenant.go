package operations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ispctl"
	"ispctl/state"
)

// CreateTenant makes a tenant. One of that name is a conflict, unless
// ifNotExists.
func (p *Provider) CreateTenant(ctx context.Context, t ispctl.Tenant, ifNotExists bool, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "tenant create", Object: "tenant " + string(t.Name)}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		if _, err := m.Tenant(string(t.Name)); err == nil {
			return nil, exists("tenant", string(t.Name), ifNotExists)
		}
		if err := t.Validate(); err != nil {
			return nil, err // before the database says it worse
		}
		return []string{"+ tenant " + tenantText(t)}, tx.PutTenant(t)
	})
}

// tenantText is a tenant in one line.
func tenantText(t ispctl.Tenant) string {
	text := string(t.Name)
	if share := shareText(t.Share); share != "" {
		text += " " + share
	}
	if len(t.Keys) > 0 {
		text += fmt.Sprintf(" keys %d", len(t.Keys))
	}
	if t.Suspended {
		text += " suspended"
	}
	return text
}

// shareText is the bounds there are, as `vms 3 memory 4GiB`.
func shareText(s ispctl.Share) string {
	var words []string
	for _, f := range ispctl.ShareTable() {
		if text := f.Text(s); text != "" {
			words = append(words, f.Name, text)
		}
	}
	return strings.Join(words, " ")
}

// changeTenant is the way of operations on a tenant that is there.
func (p *Provider) changeTenant(ctx context.Context, verb, name, detail string, o Options, do func(*state.Tx, *ispctl.Model, ispctl.Tenant) ([]string, error)) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "tenant " + verb, Object: "tenant " + name, Detail: detail}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		t, err := m.Tenant(name)
		if err != nil {
			return nil, err
		}
		return do(tx, m, t)
	})
}

// TenantChange is what of a tenant is to be otherwise; nil and empty: it stays.
type TenantChange struct {
	Title, Contact *string
	Share          map[string]string // by name, as [ispctl.ShareBound.Set] reads them
}

// SetTenant changes a tenant. A share below what it has is a conflict.
func (p *Provider) SetTenant(ctx context.Context, name string, c TenantChange, o Options) (Result, error) {
	return p.changeTenant(ctx, "set", name, "", o, func(tx *state.Tx, _ *ispctl.Model, have ispctl.Tenant) ([]string, error) {
		want := have
		set(&want.Title, c.Title)
		set(&want.Contact, c.Contact)
		if err := SetShare(&want.Share, c.Share); err != nil {
			return nil, err
		}
		said := tenantChanges(have, want)
		if said == "" {
			return nil, nil
		}
		if err := want.Validate(); err != nil {
			return nil, err
		}
		return []string{fmt.Sprintf("~ tenant %s %s", name, said)}, tx.PutTenant(want)
	})
}

// SetShare reads bounds by their names.
func SetShare(s *ispctl.Share, texts map[string]string) error {
	for _, f := range ispctl.ShareTable() {
		if text, given := texts[f.Name]; given {
			if err := f.Set(s, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// tenantChanges says what sets two states of a tenant apart.
func tenantChanges(have, want ispctl.Tenant) string {
	all := []field{
		{"title", fmt.Sprintf("%q", have.Title), fmt.Sprintf("%q", want.Title)},
		{"contact", fmt.Sprintf("%q", have.Contact), fmt.Sprintf("%q", want.Contact)},
		{"suspended", have.Suspended, want.Suspended},
		{"keys", keysText(have.Keys), keysText(want.Keys)},
	}
	for _, f := range ispctl.ShareTable() {
		all = append(all, field{f.Name, orNone(f.Text(have.Share)), orNone(f.Text(want.Share))})
	}
	return changes(all...)
}

func keysText(keys []string) string {
	prints := make([]string, len(keys))
	for i, key := range keys {
		prints[i] = ispctl.KeyFingerprint(key)
	}
	return orNone(strings.Join(prints, " "))
}

// SuspendTenant stops all traffic of a tenant's VMs, or lets it go on. The VMs
// run on, and lose nothing.
func (p *Provider) SuspendTenant(ctx context.Context, name string, suspended bool, o Options) (Result, error) {
	verb := map[bool]string{true: "suspend", false: "resume"}[suspended]
	return p.changeTenant(ctx, verb, name, "", o, func(tx *state.Tx, m *ispctl.Model, t ispctl.Tenant) ([]string, error) {
		if t.Suspended == suspended {
			return nil, nil
		}
		t.Suspended = suspended
		said := fmt.Sprintf("~ tenant %s suspended %v -> %v", name, !suspended, suspended)
		if vms := m.VMsOf(t.Name); len(vms) > 0 {
			said += fmt.Sprintf(" (%s)", joinNames(vms))
		}
		return []string{said}, tx.PutTenant(t)
	})
}

func joinNames(names []ispctl.Name) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(n)
	}
	return strings.Join(texts, ", ")
}

// DeleteTenant removes a tenant that has nothing any more. One that is not there
// is an error, unless ifExists.
func (p *Provider) DeleteTenant(ctx context.Context, name string, ifExists bool, o Options) (Result, error) {
	return p.change(ctx, o, state.Entry{Operation: "tenant delete", Object: "tenant " + name}, func(tx *state.Tx) ([]string, error) {
		m, err := tx.Model()
		if err != nil {
			return nil, err
		}
		t, err := m.Tenant(name)
		if err != nil {
			return nil, missing(err, ifExists)
		}
		if left := tenantLeft(m, t.Name); len(left) > 0 {
			return nil, &ispctl.Error{
				Kind: ispctl.Conflict, Object: fmt.Sprintf("tenant %q", name), Cause: "still has " + strings.Join(left, ", "),
				Next: "destroy VMs (ispctl vm destroy) or take them over (ispctl vm set VM --tenant none), and remove peers (ispctl vpn peer remove)",
			}
		}
		return []string{"- tenant " + name}, tx.DeleteTenant(t.Name)
	})
}

// tenantLeft is what a tenant still has, a word for each.
func tenantLeft(m *ispctl.Model, name ispctl.Name) []string {
	var left []string
	for _, vm := range m.VMsOf(name) {
		left = append(left, "vm "+string(vm))
		for _, a := range m.AddressesOf(vm, ispctl.VMModes...) {
			left = append(left, "address "+a.Addr.String())
		}
	}
	for _, peer := range m.VPN.Peers {
		if peer.Tenant == name {
			left = append(left, "peer "+string(peer.Name))
		}
	}
	return left
}

// AddTenantKeys registers SSH keys that a tenant may come to the gateway with.
// One that it has already is taken as it is.
func (p *Provider) AddTenantKeys(ctx context.Context, name string, keys []string, o Options) (Result, error) {
	return p.changeTenant(ctx, "key add", name, keysText(keys), o, func(tx *state.Tx, m *ispctl.Model, t ispctl.Tenant) ([]string, error) {
		var said []string
		for _, key := range keys {
			print := ispctl.KeyFingerprint(key)
			if owner, has := m.TenantOfKey(print); has && owner.Name != t.Name {
				return nil, ispctl.Conflicting("tenant", name, "key %s is tenant %q's", print, owner.Name)
			}
			if _, has := keyOf(t.Keys, print); has {
				continue
			}
			t.Keys = append(slices.Clip(t.Keys), key)
			said = append(said, fmt.Sprintf("+ tenant %s key %s", name, print))
		}
		if len(said) == 0 {
			return nil, nil
		}
		return said, errors.Join(t.Validate(), tx.PutTenant(t))
	})
}

// RemoveTenantKey takes a key back, by its fingerprint or its comment.
func (p *Provider) RemoveTenantKey(ctx context.Context, name, which string, ifExists bool, o Options) (Result, error) {
	return p.changeTenant(ctx, "key remove", name, which, o, func(tx *state.Tx, _ *ispctl.Model, t ispctl.Tenant) ([]string, error) {
		i, has := keyOf(t.Keys, which)
		if !has {
			have := make([]ispctl.Name, len(t.Keys))
			for i, key := range t.Keys {
				have[i] = ispctl.Name(ispctl.KeyFingerprint(key))
			}
			err := ispctl.NotFoundError("key", which, have)
			if e, is := errors.AsType[*ispctl.Error](err); is {
				e.Next = "see: ispctl tenant key list " + name
			}
			return nil, missing(err, ifExists)
		}
		print := ispctl.KeyFingerprint(t.Keys[i])
		t.Keys = slices.Delete(slices.Clone(t.Keys), i, i+1)
		return []string{fmt.Sprintf("- tenant %s key %s", name, print)}, tx.PutTenant(t)
	})
}

// keyOf finds a key by its fingerprint, or by its comment if only one has it.
func keyOf(keys []string, which string) (int, bool) {
	if i := slices.IndexFunc(keys, func(key string) bool { return ispctl.KeyFingerprint(key) == which }); i >= 0 {
		return i, true
	}
	at, n := 0, 0
	for i, key := range keys {
		if comment := keyComment(key); comment != "" && comment == which {
			at, n = i, n+1
		}
	}
	return at, n == 1
}

func keyComment(key string) string {
	fields := strings.SplitN(key, " ", 3)
	if len(fields) < 3 {
		return ""
	}
	return fields[2]
}

// giveVM makes a VM another's, or the operator's own. What it used until now is
// booked on whose it was.
func (p *Provider) giveVM(ctx context.Context, m *ispctl.Model, vm *ispctl.VM, to string, o Options) (string, error) {
	if to != "" {
		if _, err := m.Tenant(to); err != nil {
			return "", err
		}
	}
	if !o.DryRun {
		p.lastSample(ctx)
	}
	line := fmt.Sprintf("~ vm %s tenant %s -> %s", vm.Name, orNone(string(vm.Tenant)), orNone(to))
	vm.Tenant = ispctl.Name(to)
	return line, nil
}
