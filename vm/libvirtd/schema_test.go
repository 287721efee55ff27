package libvirtd

import (
	"strings"
	"testing"

	"libvirt.org/go/libvirt"
)

const document = `<domain type="test"><name>one</name><uuid>11111111-2222-4333-8444-555555555555</uuid><memory unit="KiB">1024</memory><os><type>hvm</type></os></domain>`

func TestShapeOf(t *testing.T) {
	shape := shapeOf(document)
	for name, tt := range map[string]struct {
		old, new string
		same     bool
	}{
		"another text":      {"one", "two", true},
		"another value":     {"KiB", "MiB", true},
		"another element":   {"<os>", "<vcpu>1</vcpu><os>", false},
		"another attribute": {`unit="KiB"`, `unit="KiB" dumpCore="on"`, false},
		"another name":      {"<uuid>", "<uid>", false},
	} {
		if same := shapeOf(strings.Replace(document, tt.old, tt.new, 1)) == shape; same != tt.same {
			t.Errorf("%s: the same shape: %t, want %t", name, same, tt.same)
		}
	}
}

// TestSchemaRefuses defines one after the other on libvirt's test driver: that
// one document was valid does not let another shape through.
func TestSchemaRefuses(t *testing.T) {
	conn, err := libvirt.NewConnect("test:///default")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var s schema
	for _, tt := range []struct {
		old, new string
		ok       bool
	}{
		{"<os>", "<nonsense/><os>", false},
		{"", "", true},
		{"1024", "2048", true},
		{"<os>", "<nonsense/><os>", false},
		{`"KiB"`, `"furlongs"`, false}, // a value, of a shape that is known
	} {
		dom, err := s.define(conn, strings.Replace(document, tt.old, tt.new, 1))
		if (err == nil) != tt.ok {
			t.Errorf("%s for %s: %v", tt.new, tt.old, err)
		}
		if err == nil {
			_ = dom.Free()
		}
	}
}
