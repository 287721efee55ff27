package qos

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// crowd carries out a change of a crowd, or of who sends to it.
func (a *applying) crowd(c Change, dev link, to link) {
	if c.Act != Send && c.Act != Unsend && dev.group != a.k.shapers {
		a.fail(c, fmt.Errorf("link %s is not ours", c.Device))
		return
	}
	switch c.Act {
	case FillCrowd:
		a.queue(c, unix.EEXIST, addQueues(dev.index))
		for n := range crowdSize {
			// Who has a queue in this pass is given it by the next change.
			if !a.places[place{c.Device, uint8(n)}] {
				a.queue(c, 0, setQueue(dev.index, uint8(n), idleQueue()))
			}
		}
	case SetQueue:
		a.queue(c, 0, setQueue(dev.index, c.Place, c.Queue))
		if c.Releaf {
			a.queue(c, 0, setQueueLeaf(dev.index, c.Place, c.Queue))
		}
	case UpCrowd:
		a.queue(c, 0, setUp(c.Device, crowdAlias))
	case DelCrowd:
		a.queue(c, 0, delShaper(dev.index))
	case Unsend:
		a.queue(c, 0, unsend(dev.index, c.Crowd))
	case Send:
		if to.index == 0 || to.group != a.k.shapers {
			a.fail(c, fmt.Errorf("link %s is not there, or is not ours", c.Inbound))
			return
		}
		fd, err := a.program(c.Crowd)
		if err != nil {
			a.fail(c, err)
			return
		}
		a.queue(c, unix.EEXIST, addClsact(dev.index))
		a.queue(c, 0, send(dev.index, c.Crowd, fd, to.index))
	}
}

// place is a queue of a crowd.
type place struct {
	crowd string
	n     uint8
}

// program is the one of a crowd, loaded once per pass.
func (a *applying) program(crowd int) (int, error) {
	if fd, loaded := a.programs[crowd]; loaded {
		return fd, nil
	}
	fd, err := loadSender(crowd)
	if err == nil {
		a.programs[crowd] = fd
	}
	return fd, err
}

// done gives back what a pass held.
func (a *applying) done() error {
	var errs []error
	for _, fd := range a.programs {
		errs = append(errs, unix.Close(fd))
	}
	return errors.Join(errs...)
}

// crowdNumber is the number of a crowd, by its interface.
func crowdNumber(name string) (n int, ok bool) {
	for _, way := range []string{"-0d", "-0u"} {
		if at := strings.LastIndex(name, way); at >= 0 {
			n, err := strconv.Atoi(name[at+len(way):])
			return n, err == nil
		}
	}
	return 0, false
}

// queues gathers what is told of qdiscs in crowds.
type queues struct {
	rooted map[uint32]bool
	at     map[uint32]map[uint8]Queue
	leaves map[uint32]map[uint8]Kind
}

func newQueues() queues {
	return queues{map[uint32]bool{}, map[uint32]map[uint8]Queue{}, map[uint32]map[uint8]Kind{}}
}

// take says whether a qdisc is of a crowd.
func (s queues) take(q qdisc) bool {
	first, second := q.parent>>16, uint16(q.parent)
	switch {
	case q.kind == "mq" && q.handle == Major<<16 && q.parent == atRoot:
		s.rooted[q.index] = true
	case q.kind == "tbf" && first == Major && second >= 1 && second <= crowdSize && q.handle == queueHandle(uint8(second-1)):
		if s.at[q.index] == nil {
			s.at[q.index] = map[uint8]Queue{}
		}
		s.at[q.index][uint8(second-1)] = q.queue
	case first >= firstQueue && first < firstQueue+crowdSize && second == 1:
		if s.leaves[q.index] == nil {
			s.leaves[q.index] = map[uint8]Kind{}
		}
		s.leaves[q.index][uint8(first-firstQueue)] = Kind(q.kind)
	default:
		return false
	}
	return true
}

// crowd is what an interface is.
func (s queues) crowd(l link) Crowd {
	c := Crowd{Filled: s.rooted[l.index] && len(s.at[l.index]) == crowdSize, Up: l.up}
	if !c.Filled {
		return c
	}
	c.Queues = map[uint8]Queue{}
	for n, q := range s.at[l.index] {
		if leaf := s.leaves[l.index][n]; leaf != "" {
			q.Leaf = leaf
		}
		if q != idleQueue() {
			c.Queues[n] = q
		}
	}
	return c
}

// sends notes what devices send to crowds.
func (k *Kernel) sends(s State, all links, from []link) error {
	byIndex := make(map[uint32]link, len(all))
	for _, l := range all {
		byIndex[l.index] = l
	}
	for _, l := range from {
		err := k.socket.dump(unix.RTM_GETTFILTER, tcmsg{index: l.index, parent: atEgress}.bytes(), func(b []byte) error {
			t, attrs, ok := readTcmsg(b)
			if !ok || t.info != crowdFilters || t.handle == 0 || attrs.Find(tcaKind).Text() != "bpf" {
				return nil
			}
			n := int(t.handle)
			if s.Sends[l.name] == nil {
				s.Sends[l.name] = map[int]string{}
			}
			_, index := readRedirect(b)
			to := byIndex[index]
			if to.group != k.shapers || attrs.Find(tcaOptions).Find(bpfName).Text() != senderName(n) {
				to.name = "" // it leads astray
			}
			s.Sends[l.name][n] = to.name
			return nil
		})
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("list filters of %s: %w", l.name, err)
		}
	}
	return nil
}
