package libvirtd

import (
	"strings"
	"sync"

	"libvirt.org/go/libvirt"
)

// schema has libvirt check definitions against its schema: the first of each
// shape, since that takes ten times as long as all else, and guests differ in
// values only. What values may be, libvirt checks in any case.
type schema struct {
	// Drivers that live in this process validate in it, and libxml2 races with
	// itself for the tables of its schema types.
	mu    sync.Mutex
	valid map[string]bool
}

func (s *schema) define(conn *libvirt.Connect, xml string) (*libvirt.Domain, error) {
	shape := shapeOf(xml)
	s.mu.Lock()
	if s.valid[shape] {
		s.mu.Unlock()
		return conn.DomainDefineXML(xml)
	}
	defer s.mu.Unlock()
	dom, err := conn.DomainDefineXMLFlags(xml, libvirt.DOMAIN_DEFINE_VALIDATE)
	if err == nil {
		if s.valid == nil {
			s.valid = map[string]bool{}
		}
		s.valid[shape] = true
	}
	return dom, err
}

// shapeOf is a document without its texts and the values of its attributes.
func shapeOf(xml string) string {
	var b strings.Builder
	for {
		_, rest, more := strings.Cut(xml, "<")
		if !more {
			return b.String()
		}
		tag, after, _ := strings.Cut(rest, ">")
		b.WriteByte('<')
		for i, part := range strings.Split(tag, `"`) {
			if i%2 == 0 {
				b.WriteString(part)
			}
		}
		xml = after
	}
}
