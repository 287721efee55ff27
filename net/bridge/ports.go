package bridge

import (
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// isolatedPorts are the indexes of the bridge ports that are isolated, in one
// dump; the library asks for all of them again for each port. The socket is
// opened in the caller's network namespace.
func isolatedPorts() (map[int]bool, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	req.AddData(nl.NewIfInfomsg(unix.AF_BRIDGE))
	messages, err := req.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil {
		return nil, fmt.Errorf("list bridge ports: %w", err)
	}
	ports := map[int]bool{}
	for _, m := range messages {
		attrs, err := nl.ParseRouteAttr(m[unix.SizeofIfInfomsg:])
		if err != nil {
			return nil, fmt.Errorf("list bridge ports: %w", err)
		}
		for _, a := range attrs {
			if a.Attr.Type&nl.NLA_TYPE_MASK != unix.IFLA_PROTINFO {
				continue
			}
			flags, err := nl.ParseRouteAttr(a.Value)
			if err != nil {
				return nil, fmt.Errorf("list bridge ports: %w", err)
			}
			for _, f := range flags {
				if f.Attr.Type == nl.IFLA_BRPORT_ISOLATED && len(f.Value) > 0 && f.Value[0] != 0 {
					ports[int(nl.DeserializeIfInfomsg(m).Index)] = true
				}
			}
		}
	}
	return ports, nil
}
