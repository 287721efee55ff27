package templates

import (
	"net/netip"
	"testing"
)

// TestDigest changes one thing at a time, and wants another digest wherever
// another seed is rendered.
func TestDigest(t *testing.T) {
	digest := func(tpl Template, in SeedInput) string {
		t.Helper()
		d, err := NewDigester(tpl)
		if err != nil {
			t.Fatal(err)
		}
		text, err := d.Digest(in)
		if err != nil || len(text) != 64 {
			t.Fatalf("%q, %v", text, err)
		}
		return text
	}
	base := digest(root(t), input())
	if again := digest(root(t), input()); again != base {
		t.Errorf("the same input has digests %s and %s", base, again)
	}
	other := root(t)
	other.Login = "debian"
	if digest(other, input()) == base {
		t.Error("another login has the same digest")
	}
	for name, change := range map[string]func(*SeedInput){
		"instance": func(in *SeedInput) { in.InstanceID = "i-2" },
		"hostname": func(in *SeedInput) { in.Hostname = "web2" },
		"zone":     func(in *SeedInput) { in.Zone = "lab" },
		"key":      func(in *SeedInput) { in.Keys = in.Keys[:1] },
		"mac":      func(in *SeedInput) { in.NICs[0].MAC = "52:54:00:12:34:58" },
		"address":  func(in *SeedInput) { in.NICs[0].Nets[0].Addr = netip.MustParsePrefix("10.10.0.3/24") },
		"length":   func(in *SeedInput) { in.NICs[0].Nets[0].Addr = netip.MustParsePrefix("10.10.0.2/25") },
		"gateway":  func(in *SeedInput) { in.NICs[0].Nets[0].Gateway = netip.MustParseAddr("10.10.0.254") },
		"resolver": func(in *SeedInput) { in.NICs[0].DNS = nil },
		"nic":      func(in *SeedInput) { in.NICs = in.NICs[:1] },
	} {
		in := input()
		change(&in)
		if digest(root(t), in) == base {
			t.Errorf("another %s has the same digest", name)
		}
	}
}

func TestDigestRefuses(t *testing.T) {
	d, err := NewDigester(root(t))
	if err != nil {
		t.Fatal(err)
	}
	in := input()
	in.Keys = []string{"no key"}
	if text, err := d.Digest(in); err == nil {
		t.Errorf("a seed that cannot be rendered has the digest %s", text)
	}
}
