package document

import (
	"go.yaml.in/yaml/v4"

	"ispctl"
)

// outSharing is how much of the host is shared out, as it is written.
type outSharing struct {
	MemoryReserve    string `yaml:"memory_reserve,omitempty"`
	MemoryOvercommit string `yaml:"memory_overcommit,omitempty"`
	DiskOvercommit   string `yaml:"disk_overcommit,omitempty"`
}

// sharing reads it; what is not mentioned stays.
func (p *parser) sharing(n *yaml.Node) *ispctl.SharingChange {
	c := &ispctl.SharingChange{}
	before := len(p.errs)
	ratio := func(unlimited bool, into **ispctl.Percent) func(*yaml.Node) {
		return func(n *yaml.Node) {
			r := scalar(p, n, func(s string) (ispctl.Percent, error) { return ispctl.ParseOvercommit(s, unlimited) })
			*into = &r
		}
	}
	p.mapping(n, fields{
		"memory_reserve": func(n *yaml.Node) {
			size := scalar(p, n, ispctl.ParseReserve)
			c.MemoryReserve = &size
		},
		"memory_overcommit": ratio(false, &c.MemoryOvercommit),
		"disk_overcommit":   ratio(true, &c.DiskOvercommit),
	})
	if len(p.errs) == before {
		p.check(n, c.Over(ispctl.Sharing{}).Validate())
	}
	return c
}

// writeSharing is nothing where all is as by default.
func writeSharing(s ispctl.Sharing) *outSharing {
	if s == (ispctl.Sharing{}) {
		return nil
	}
	out := &outSharing{}
	if s.MemoryReserve != 0 {
		out.MemoryReserve = s.MemoryReserve.String()
	}
	if s.MemoryOvercommit != 0 {
		out.MemoryOvercommit = ispctl.OvercommitText(s.MemoryOvercommit)
	}
	if s.DiskOvercommit != 0 {
		out.DiskOvercommit = ispctl.OvercommitText(s.DiskOvercommit)
	}
	return out
}
