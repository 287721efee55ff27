package ispctl

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Tenant is somebody who is handed VMs, and has root on them and nothing else.
type Tenant struct {
	Name      Name
	Title     string   // for people, as on a report; may be empty
	Contact   string   // whom to write to; may be empty
	Keys      []string // SSH keys it comes to the gateway with, as [ParseSSHKey] returns them
	Share     Share
	Suspended bool // its VMs neither send nor hear; nothing of theirs is lost
	Applied   bool
}

// NoTenant is the word for a VM that is the operator's own; no tenant has it as
// its name.
const NoTenant = "none"

// The longest texts about a tenant, in bytes, and the most keys it may have.
const (
	maxTenantText = 200
	MaxTenantKeys = 32
)

// ParseTenantName validates the name of a tenant.
func ParseTenantName(s string) (Name, error) {
	name, err := ParseName("tenant", s)
	if err == nil && name == NoTenant {
		return "", Invalid("tenant", s, "the word stands for no tenant")
	}
	return name, err
}

// Validate checks the tenant by itself.
func (t Tenant) Validate() error {
	name := string(t.Name)
	if _, err := ParseTenantName(name); err != nil {
		return err
	}
	for _, text := range []struct{ what, value string }{{"title", t.Title}, {"contact", t.Contact}} {
		switch {
		case len(text.value) > maxTenantText:
			return Invalid("tenant", name, "its %s is longer than %d bytes", text.what, maxTenantText)
		case strings.ToValidUTF8(text.value, "") != text.value || strings.ContainsFunc(text.value, notOnALine):
			return Invalid("tenant", name, "its %s has a character that cannot be printed on one line", text.what)
		}
	}
	if len(t.Keys) > MaxTenantKeys {
		return Invalid("tenant", name, "has %d keys; %d are the most", len(t.Keys), MaxTenantKeys)
	}
	for i, key := range t.Keys {
		if clean, err := ParseSSHKey(key); err != nil {
			return err
		} else if clean != key {
			return Invalid("tenant", name, "key %s is not in its short form", KeyFingerprint(key))
		}
		if slices.ContainsFunc(t.Keys[:i], func(other string) bool { return KeyFingerprint(other) == KeyFingerprint(key) }) {
			return Conflicting("tenant", name, "has the key %s already", KeyFingerprint(key))
		}
	}
	for _, f := range shareTable {
		if *f.at(&t.Share) < 0 {
			return Invalid("tenant", name, "%s is less than none", f.Name)
		}
	}
	return nil
}

// notOnALine finds what would move the cursor or hide what follows.
func notOnALine(r rune) bool { return !unicode.IsPrint(r) }

// KeyFingerprint is what ssh-keygen(1) -l calls a key: SHA256:BASE64. It is
// empty for what is no key.
func KeyFingerprint(key string) string {
	fields := strings.Fields(key)
	if len(fields) < 2 {
		return ""
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// Tenant finds a tenant by name.
func (m *Model) Tenant(name string) (Tenant, error) {
	return find("tenant", name, m.Tenants, func(t *Tenant) Name { return t.Name })
}

// VMsOf are the names of the VMs of a tenant; absent ones do not count.
func (m *Model) VMsOf(tenant Name) []Name {
	return m.namesOf(func(vm VM) bool { return vm.Tenant == tenant && vm.Wanted != Absent })
}

// Suspended reports whether a VM's tenant is.
func (m *Model) Suspended(vm VM) bool {
	if vm.Tenant == "" {
		return false
	}
	t, err := m.Tenant(string(vm.Tenant))
	return err == nil && t.Suspended
}

// validateTenants holds every tenant to its share, keys to one owner each, and
// VMs to tenants that there are.
func (m *Model) validateTenants() error {
	owners := map[string]Name{}
	for _, t := range m.Tenants {
		if err := t.Validate(); err != nil {
			return err
		}
		for _, key := range t.Keys {
			print := KeyFingerprint(key)
			if other, taken := owners[print]; taken {
				return Conflicting("tenant", string(t.Name), "key %s is tenant %q's", print, other)
			}
			owners[print] = t.Name
		}
	}
	for vm := range m.Guests() {
		if vm.Tenant == "" {
			continue
		}
		if _, err := m.Tenant(string(vm.Tenant)); err != nil {
			return err
		}
	}
	return m.validateShares()
}

func (m *Model) validateShares() error {
	if len(m.Tenants) == 0 {
		return nil
	}
	used := m.shares()
	for _, t := range m.Tenants {
		for _, f := range shareTable {
			most, has := *f.at(&t.Share), *f.at(used[t.Name])
			switch {
			case most == 0 || has <= most:
				continue
			case has == unbounded:
				return &Error{
					Kind: Conflict, Object: fmt.Sprintf("tenant %q", t.Name),
					Cause: fmt.Sprintf("its %s is %s together, and VMs of it have no ceiling: %s", f.Name, f.text(most), list(m.unbounded(t.Name))),
					Next:  "give them one: ispctl qos set VM --down RATE --up RATE",
				}
			}
			return &Error{
				Kind: Conflict, Object: fmt.Sprintf("tenant %q", t.Name),
				Cause: fmt.Sprintf("its %s: %s at the most, and it would use %s: %s too much", f.Name, f.text(most), f.text(has), f.text(has-most)),
				Next:  fmt.Sprintf("see: ispctl tenant show %s (or let it have more: ispctl tenant set %s --%s)", t.Name, t.Name, f.Name),
			}
		}
	}
	return nil
}

func list(names []Name) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(n)
	}
	return strings.Join(texts, ", ")
}

// TenantOfKey is the tenant that a key, by its fingerprint, was registered for.
func (m *Model) TenantOfKey(fingerprint string) (Tenant, bool) {
	for _, t := range m.Tenants {
		if slices.ContainsFunc(t.Keys, func(key string) bool { return KeyFingerprint(key) == fingerprint }) {
			return t, true
		}
	}
	return Tenant{}, false
}
