package bridge

import (
	"errors"

	"golang.org/x/sys/unix"
)

// forgetNeighbours takes out of the host's neighbour tables who was behind taps
// that are about to go. Their addresses may be a new guest's in a moment, and
// until it speaks up by itself the host would send what is for it to the MAC of
// the one before, for some ten seconds (arp(7): delay_first_probe_time and the
// probes after it). So goes everybody whom the bridge has not heard for as long as
// it remembers: to ask again costs one question.
//
// See rtnetlink(7), RTM_DELNEIGH; the bridge's own table is that of AF_BRIDGE.
func (k *Kernel) forgetNeighbours(changes []Change) error {
	going := map[int]bool{}   // taps
	bridges := map[int]bool{} // that they are ports of
	for _, c := range changes {
		if c.Link.Kind != Tap || c.Act != Remove && c.Act != Replace {
			continue
		}
		link, err := k.own(c.Link.Name)
		if err != nil {
			continue // gone, or not ours: what is to be done about it is for the removal to say
		}
		going[link.Attrs().Index] = true
		if master := link.Attrs().MasterIndex; master != 0 {
			bridges[master] = true
		}
	}
	if len(bridges) == 0 {
		return nil
	}
	learnt, err := k.nl.NeighList(0, unix.AF_BRIDGE)
	if err != nil {
		return err
	}
	stay := map[string]bool{} // MACs heard behind other ports
	for _, e := range learnt {
		if bridges[e.MasterIndex] && !going[e.LinkIndex] {
			stay[e.HardwareAddr.String()] = true
		}
	}
	var errs []error
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		known, err := k.nl.NeighList(0, family)
		if err != nil {
			return err
		}
		for _, n := range known {
			if !bridges[n.LinkIndex] || stay[n.HardwareAddr.String()] || n.State&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0 {
				continue
			}
			errs = append(errs, except(k.nl.NeighDel(&n), unix.ENOENT))
		}
	}
	return errors.Join(errs...)
}
