package dhcp

import (
	"maps"
	"slices"

	"ispctl"
)

// Diff lists what makes have into want, zone by zone, what is left over last.
func Diff(want, have State) []Change {
	var changes []Change
	for _, zone := range slices.Sorted(maps.Keys(want)) {
		w, h := want[zone], have[zone]
		switch {
		case !h.Running:
			changes = append(changes, Change{Act: Start, Server: w})
		case w.Config != h.Config || w.Dir != h.Dir || !slices.Equal(w.Sockets, h.Sockets):
			changes = append(changes, Change{Act: Restart, Server: w})
		case !slices.Equal(w.Hosts, h.Hosts):
			changes = append(changes, Change{Act: Reload, Server: w, Come: names(without(w.Hosts, h.Hosts)), Gone: names(without(h.Hosts, w.Hosts))})
		}
	}
	for _, zone := range slices.Sorted(maps.Keys(have)) {
		if _, wanted := want[zone]; !wanted {
			changes = append(changes, Change{Act: Stop, Server: have[zone]})
		}
	}
	return changes
}

// without are the hosts of a that are not in b.
func without(a, b []Host) []Host {
	known := make(map[Host]bool, len(b))
	for _, h := range b {
		known[h] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(h Host) bool { return known[h] })
}

func names(hosts []Host) []ispctl.Name {
	var all []ispctl.Name
	for _, h := range hosts {
		all = append(all, h.Name)
	}
	return all
}
