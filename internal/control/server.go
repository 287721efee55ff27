package control

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
	"time"
)

// Limits bound what callers can have of the server.
type Limits struct {
	OfOne int           // calls of one user at once
	Grace time.Duration // for a caller to say what he wants
}

// DefaultLimits leave room for people and scripts.
var DefaultLimits = Limits{OfOne: 16, Grace: 5 * time.Second}

// Server answers at a socket. Its fields are set before Serve and not changed
// after.
type Server struct {
	// Known tells as what somebody is known; an error is what he is told.
	Known func(Peer) (role string, err error)

	// Run does what a caller asks, with his streams; ctx ends when he goes away.
	Run func(ctx context.Context, p Peer, role string, c Call, stdio [streams]*os.File) (exit int)

	Limits Limits
	Say    *log.Logger

	mu    sync.Mutex
	calls map[uint32]int
}

// exitDenied is the program's exit code for who may not, exitBusy for what is
// taken.
const exitDenied, exitBusy = 4, 5

// Serve answers until ctx ends, and then waits for what is being done.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	s.calls = map[uint32]int{}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		conn, err := l.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		all.Go(func() {
			defer conn.Close() //nolint:errcheck // it was answered, or is gone
			if err := s.answer(ctx, conn); err != nil {
				s.Say.Printf("control: %v", err)
			}
		})
	}
}

func (s *Server) answer(ctx context.Context, conn *net.UnixConn) error {
	p, err := peerOf(conn)
	if err != nil {
		return err
	}
	if !s.enter(p.UID) {
		return send(conn, answer{exitBusy})
	}
	defer s.leave(p.UID)
	role, denied := s.Known(p)
	if err := conn.SetDeadline(time.Now().Add(s.Limits.Grace)); err != nil {
		return err
	}
	var c Call
	files, err := receive(conn, &c)
	if err != nil {
		return fmt.Errorf("uid %d: %w", p.UID, err)
	}
	defer closeAll(files)
	if len(files) != streams {
		return fmt.Errorf("uid %d: sends %d files, not %d", p.UID, len(files), streams)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if denied != nil {
		s.Say.Printf("control: uid %d: %v", p.UID, denied)
		fmt.Fprintln(files[2], "ispctl:", denied)
		return ignoreGone(send(conn, answer{exitDenied}))
	}
	calling, done := context.WithCancel(ctx)
	defer done()
	go func() { // nothing more is said: whoever shuts his side wants it ended
		_, _ = conn.Read(make([]byte, 1))
		done()
	}()
	return ignoreGone(send(conn, answer{s.Run(calling, p, role, c, [streams]*os.File(files))}))
}

// ignoreGone takes a caller who did not wait for the answer as he is.
func ignoreGone(err error) error {
	if _, gone := errors.AsType[*net.OpError](err); gone {
		return nil
	}
	return err
}

func (s *Server) enter(uid uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[uid] >= s.Limits.OfOne {
		return false
	}
	s.calls[uid]++
	return true
}

func (s *Server) leave(uid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[uid]--; s.calls[uid] == 0 {
		delete(s.calls, uid)
	}
}
