package operations_test

import (
	"strings"
	"testing"

	"ispctl"
	"ispctl/operations"
	"ispctl/templates"
)

// TestSeedNamesTheResolver of each zone that has one, and no other.
func TestSeedNamesTheResolver(t *testing.T) {
	set, err := templates.Load("")
	if err != nil {
		t.Fatal(err)
	}
	withDNS := dmz
	withDNS.DNS = true
	m := &ispctl.Model{Zones: []ispctl.Zone{withDNS, mail}}
	guest := ispctl.VM{UUID: "00000000-0000-4000-8000-000000000001", Name: "web1", Zone: "dmz", Template: "micro", NICs: []ispctl.NIC{
		{Zone: "dmz", MAC: "02:00:00:00:00:01", Addr: addr("10.10.0.2")},
		{Index: 1, Zone: "mail", MAC: "02:00:00:00:00:02", Addr: addr("10.20.0.2")},
	}}
	told := func() (map[string][]byte, string) {
		seed, err := operations.Seed(set, operations.HostKeys{})(m, guest)
		if err != nil {
			t.Fatal(err)
		}
		files, err := seed.Files()
		if err != nil {
			t.Fatal(err)
		}
		return files, seed.Digest
	}
	files, digest := told()
	if got := string(files["ispctl/resolvers"]); got != "10.10.0.1\n" {
		t.Errorf("resolvers %q", got)
	}
	if got := string(files["network-config"]); strings.Count(got, "nameservers") != 1 || !strings.Contains(got, `- "dmz.internal"`) {
		t.Errorf("network-config:\n%s", got)
	}
	m.Zones[0] = dmz
	if files, other := told(); len(files["ispctl/resolvers"]) != 0 || other == digest {
		t.Errorf("without DNS: %q, digest %s and %s", files["ispctl/resolvers"], digest, other)
	}
}
