package bridge

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
)

// driverMade is what the library calls a link that no request over netlink has
// made but a driver: of these, only vifs are ever given our mark.
const driverMade = "device"

// netback is the driver of vifs, as sysfs names it.
const netback = "vif"

func isVif(link netlink.Link) bool {
	driver, err := os.Readlink(filepath.Join("/sys/class/net", link.Attrs().Name, "device/driver"))
	return link.Type() == driverMade && err == nil && filepath.Base(driver) == netback
}

// Adopt marks the vifs of a guest on Xen that has just been started and stands
// still. They bear the names that the model has for them, and are down and on no
// bridge: Xen's hotplug script has seen to that, and whoever is up already or is
// anything else is refused.
func (k *Kernel) Adopt(names []string) error {
	for _, name := range names {
		link, err := k.nl.LinkByName(name)
		if err != nil {
			return fmt.Errorf("vif %s: %w", name, err)
		}
		a := link.Attrs()
		switch {
		case !isVif(link):
			return fmt.Errorf("link %s is no vif: no driver of Xen's has made it", name)
		case a.Group == k.group:
			continue
		case a.MasterIndex != 0:
			return fmt.Errorf("vif %s is on a bridge already: the hotplug script of its domain is not ispctl's", name)
		}
		if err := k.nl.LinkSetDown(link); err != nil {
			return fmt.Errorf("ip link set dev %s down: %w", name, err)
		}
		if err := k.nl.LinkSetGroup(link, int(k.group)); err != nil {
			return fmt.Errorf("ip link set dev %s group %d: %w", name, k.group, err)
		}
	}
	return nil
}

// Only is the part of a state that is about some links.
func (s State) Only(names []string) State {
	some := State{}
	for _, name := range names {
		if l, there := s[name]; there {
			some[name] = l
		}
	}
	return some
}
