package qos

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// BestLeaf is the best leaf that the kernel has: it tries, in a network
// namespace that is thrown away.
func BestLeaf() Kind {
	if tryLeaf(FQCodel) == nil {
		return FQCodel
	}
	return FIFO
}

func tryLeaf(kind Kind) error {
	return apart(func(s *socket) error {
		_, errs := s.all([]message{{unix.RTM_NEWQDISC, create, object(tcmsg{loopback, 0, atRoot, 0}, string(kind), []byte{})}})
		return errs[0]
	})
}

// CanCrowd says whether guests can have queues in one interface: it makes such
// an interface, and sends to it.
func CanCrowd() bool {
	return apart(func(s *socket) error {
		const name, group, crowd = "crowd", 1, 2
		k := &Kernel{socket: s, shapers: group}
		changes := []Change{{Act: AddCrowd, Device: name}, {Act: FillCrowd, Device: name}, {Act: UpCrowd, Device: name}, {Act: Send, Device: "lo", Crowd: crowd, Inbound: name}}
		return k.Apply(context.Background(), changes)
	}) == nil
}

// loopback is the index of the interface that every namespace has.
const loopback = 1

// apart tries something in a network namespace that is thrown away.
func apart(try func(*socket) error) error {
	tried := make(chan error)
	go func() {
		// Never unlocked: the namespace ends with the thread.
		runtime.LockOSThread()
		tried <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("new network namespace: %w", err)
			}
			s, err := dial()
			if err != nil {
				return err
			}
			defer s.Close()
			return try(s)
		}()
	}()
	return <-tried
}
