package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"

	"ispctl"
)

// Session is one command of a tenant.
type Session struct {
	Tenant      string
	Fingerprint string // of the key it came with
	From        netip.AddrPort
	Words       []string // none: it asked for a shell
	In          io.Reader
	Out, Err    io.Writer
}

// Server is the gateway. Its fields are set before Serve and not changed after.
type Server struct {
	Key    gossh.Signer
	Known  func(ctx context.Context, tenant, fingerprint string) bool
	Run    func(ctx context.Context, s Session) (exit int)
	Limits Limits
	Say    *log.Logger

	strangers *strangers
	sessions  tally
	conns     tally

	mu   sync.Mutex
	open map[*visitor]bool
}

// visitor is one connection.
type visitor struct {
	conn     net.Conn
	source   netip.Prefix
	grace    *time.Timer
	left     atomic.Bool // it is no stranger any more
	counted  atomic.Bool // among the connections of its tenant
	channels atomic.Int32

	tenant, fingerprint string // written before it is let in
}

type contextKey string

const visitorKey contextKey = "visitor"

// exitBusy is the exit code for "taken": as the program's own.
const exitBusy, exitUsage = 5, 2

// Serve serves until ctx ends, and then cuts everybody off.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.strangers, s.open = newStrangers(s.Limits), map[*visitor]bool{}
	s.sessions.n, s.conns.n = map[string]int{}, map[string]int{}
	server := &ssh.Server{
		Handler:     s.handle,
		HostSigners: []ssh.Signer{s.Key},
		Version:     "ispctl",
		IdleTimeout: s.Limits.Idle,

		ConnCallback:             s.enter,
		ServerConfigCallback:     s.config,
		PublicKeyHandler:         s.known,
		ConnectionFailedCallback: func(net.Conn, error) {},

		// Nothing but sessions, and in them nothing but commands.
		ChannelHandlers:   map[string]ssh.ChannelHandler{"session": s.channel},
		RequestHandlers:   map[string]ssh.RequestHandler{"keepalive@openssh.com": func(ssh.Context, *ssh.Server, *gossh.Request) (bool, []byte) { return true, nil }},
		SubsystemHandlers: map[string]ssh.SubsystemHandler{},
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err := server.Serve(l)
	if ctx.Err() != nil || errors.Is(err, ssh.ErrServerClosed) {
		return nil
	}
	return err
}

// enter is asked for every connection, before a byte of it is read.
func (s *Server) enter(ctx ssh.Context, conn net.Conn) net.Conn {
	v := &visitor{conn: conn, source: sourceOf(conn.RemoteAddr())}
	if !s.strangers.enter(v.source) {
		return nil
	}
	v.grace = time.AfterFunc(s.Limits.Grace, func() { _ = conn.Close() })
	ctx.SetValue(visitorKey, v)
	s.mu.Lock()
	s.open[v] = true
	s.mu.Unlock()
	return &leaving{Conn: conn, leave: func() { s.gone(v) }}
}

// leaving tells when a connection is closed, by whichever side.
type leaving struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close implements [net.Conn].
func (l *leaving) Close() error {
	l.once.Do(l.leave)
	return l.Conn.Close()
}

func (s *Server) gone(v *visitor) {
	v.grace.Stop()
	if v.left.CompareAndSwap(false, true) {
		s.strangers.leave(v.source, true)
		s.Say.Printf("gateway: nobody known from %s", v.conn.RemoteAddr())
	}
	if v.counted.Load() {
		s.conns.give(v.tenant)
	}
	s.mu.Lock()
	delete(s.open, v)
	s.mu.Unlock()
}

func (s *Server) config(ctx ssh.Context) *gossh.ServerConfig {
	return &gossh.ServerConfig{
		MaxAuthTries: 6,
		AuthLogCallback: func(proved gossh.ConnMetadata, method string, err error) {
			if v, ok := ctx.Value(visitorKey).(*visitor); ok && method == "publickey" && err == nil {
				s.letIn(v, proved.User())
			}
		},
	}
}

// letIn makes a stranger who has proved to have the key a tenant. x/crypto asks
// [Server.known] last about the key that is then proved (since v0.31, see
// CVE-2024-45337); that it was asked about another name is looked for all the
// same, since whoever it is taken for is decided here.
func (s *Server) letIn(v *visitor, user string) {
	v.grace.Stop()
	if user != v.tenant {
		_ = v.conn.Close()
		return
	}
	if !v.left.CompareAndSwap(false, true) {
		return
	}
	s.strangers.leave(v.source, false)
	if !s.conns.take(v.tenant, s.Limits.Connections) {
		s.Say.Printf("gateway: tenant %s has %d connections open already", v.tenant, s.Limits.Connections)
		_ = v.conn.Close()
		return
	}
	v.counted.Store(true)
}

// known is asked for each key that is offered, before it is proved.
func (s *Server) known(ctx ssh.Context, key ssh.PublicKey) bool {
	v, ok := ctx.Value(visitorKey).(*visitor)
	if !ok {
		return false
	}
	print := gossh.FingerprintSHA256(key)
	if _, certificate := key.(*gossh.Certificate); certificate || !s.Known(ctx, ctx.User(), print) {
		return false
	}
	v.tenant, v.fingerprint = ctx.User(), print
	return true
}

// maxChannels bounds what one connection has open at once.
const maxChannels = 10

func (s *Server) channel(srv *ssh.Server, conn *gossh.ServerConn, ch gossh.NewChannel, ctx ssh.Context) {
	v, ok := ctx.Value(visitorKey).(*visitor)
	if !ok || v.channels.Add(1) > maxChannels {
		_ = ch.Reject(gossh.ResourceShortage, "too many channels")
	} else {
		ssh.DefaultSessionHandler(srv, conn, ch, ctx)
	}
	if ok {
		v.channels.Add(-1)
	}
}

func (s *Server) handle(session ssh.Session) {
	v, ok := session.Context().Value(visitorKey).(*visitor)
	if !ok {
		return
	}
	exit := func(code int) { _ = session.Exit(code) }
	if !s.sessions.take(v.tenant, s.Limits.Sessions) {
		fmt.Fprintf(session.Stderr(), "%d sessions are open already; end one of them\n", s.Limits.Sessions)
		exit(exitBusy)
		return
	}
	defer s.sessions.give(v.tenant)
	words, err := Words(session.RawCommand())
	if err != nil {
		fmt.Fprintln(session.Stderr(), err)
		exit(exitUsage)
		return
	}
	from, _ := netip.ParseAddrPort(session.RemoteAddr().String())
	exit(s.Run(session.Context(), Session{
		Tenant: v.tenant, Fingerprint: v.fingerprint, From: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), Words: words,
		In: session, Out: session, Err: session.Stderr(),
	}))
}

// Recheck cuts off whoever is not known any more.
func (s *Server) Recheck(ctx context.Context) {
	s.mu.Lock()
	var all []*visitor
	for v := range s.open {
		if v.left.Load() {
			all = append(all, v)
		}
	}
	s.mu.Unlock()
	for _, v := range all {
		if !s.Known(ctx, v.tenant, v.fingerprint) {
			s.Say.Printf("gateway: %s of tenant %s is not known any more", v.fingerprint, v.tenant)
			_ = v.conn.Close()
		}
	}
}

// Listen listens at an address, which need not be there yet: that of a VPN comes
// with it.
func Listen(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
	config := net.ListenConfig{Control: freeBind}
	l, err := config.Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, &ispctl.Error{Kind: ispctl.Failed, Object: "gateway", Cause: "cannot listen at " + at.String(), Err: err, Next: "give another one: ispctl gateway set --listen ADDRESS:PORT"}
	}
	return l, nil
}
