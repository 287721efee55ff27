package qos

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"ispctl"
)

// Dropped is how many frames of a guest its shapers had no room for: on their
// way to it, and from it. How many bytes they had the kernel does not say.
type Dropped struct{ Down, Up uint64 }

// What linux/gen_stats.h numbers; where struct gnet_stats_queue has its drops.
const (
	tcaStats2  = 7
	statsQueue = 3
	queueDrops = 8
)

// Drops reads what shapers have dropped, by tap, since each of them was made. A
// guest whose shapers dropped nothing is not in it.
func (k *Kernel) Drops(m *ispctl.Model) (map[string]Dropped, error) {
	links, err := k.links()
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	byIndex := map[uint32]link{}
	for _, l := range links {
		byIndex[l.index] = l
	}
	places := placesOf(m)
	all := map[string]Dropped{}
	err = k.socket.dump(unix.RTM_GETQDISC, tcmsg{}.bytes(), func(b []byte) error {
		t, attrs, ok := readTcmsg(b)
		if !ok {
			return nil
		}
		stats := attrs.Find(tcaStats2).Find(statsQueue)
		if len(stats) < queueDrops+4 {
			return nil
		}
		n := uint64(binary.NativeEndian.Uint32(stats[queueDrops:]))
		l := byIndex[t.index]
		q := qdisc{index: t.index, handle: t.handle, parent: t.parent, kind: attrs.Find(tcaKind).Text()}
		_, crowd := crowdNumber(l.name)
		switch {
		case n == 0:
		case crowd && l.group == k.shapers:
			if q.kind != "tbf" || q.parent>>16 != Major || q.parent&0xffff == 0 {
				return nil // a queue's leaf: its drops are the queue's, too
			}
			if p, known := places[place{l.name, uint8(q.parent - 1)}]; known {
				all[p.tap] = all[p.tap].plus(n, p.up)
			}
		case !q.ours():
		case l.group == k.shapers && l.kind == "ifb" && strings.HasSuffix(l.name, "u"):
			tap := strings.TrimSuffix(l.name, "u")
			all[tap] = all[tap].plus(n, true)
		case l.group == k.taps && l.kind != "bridge":
			all[l.name] = all[l.name].plus(n, false)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list qdiscs: %w", err)
	}
	return all, nil
}

func (d Dropped) plus(n uint64, up bool) Dropped {
	if up {
		d.Up += n
	} else {
		d.Down += n
	}
	return d
}

// waits is whose frames wait at a place, and on their way where.
type waits struct {
	tap string
	up  bool
}

// placesOf says whose the places in crowds are.
func placesOf(m *ispctl.Model) map[place]waits {
	all := map[place]waits{}
	for _, g := range members(m) {
		nics := g.vm.ZoneNICs()
		if len(nics) == 0 {
			continue
		}
		all[place{m.Installation.CrowdDown(g.crowd()), g.place()}] = waits{nics[0].Tap, false}
		all[place{m.Installation.CrowdUp(g.crowd()), g.place()}] = waits{nics[0].Tap, true}
	}
	return all
}
