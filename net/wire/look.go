package wire

import (
	"errors"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Looker looks at links of the network namespace it was opened in.
type Looker struct{ links *netlink.Handle }

// Open binds to the caller's network namespace.
func Open() (*Looker, error) {
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	return &Looker{links}, err
}

// Close closes the socket.
func (l *Looker) Close() { l.links.Close() }

// Look says what there is to know of a link. One that is not there has no MAC.
func (l *Looker) Look(name string) (Link, error) {
	link, err := l.links.LinkByName(name)
	if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone {
		return Link{}, nil
	}
	if err != nil {
		return Link{}, err
	}
	return Link{MAC: link.Attrs().HardwareAddr, Bridge: link.Type() == "bridge"}, nil
}
