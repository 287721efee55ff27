package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ispctl"
	"ispctl/internal/prom"
)

// metricsPlace is where figures are handed out: a file's socket, or an address
// of the host itself.
type metricsPlace struct{ network, address string }

// parseMetricsPlace reads unix:/PATH or a loopback address with a port. Others
// are refused: figures name every customer, and nobody is asked who he is.
func parseMetricsPlace(s string) (metricsPlace, error) {
	if path, is := strings.CutPrefix(s, "unix:"); is {
		if !filepath.IsAbs(path) {
			return metricsPlace{}, ispctl.Invalid("metrics", s, "is no absolute path")
		}
		return metricsPlace{"unix", path}, nil
	}
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		return metricsPlace{}, ispctl.Invalid("metrics", s, "is not like unix:/run/ispctl/metrics.sock or 127.0.0.1:9732")
	}
	if !at.Addr().IsLoopback() || at.Port() == 0 {
		return metricsPlace{}, ispctl.Invalid("metrics", s, "is no port of a loopback address; let a proxy that asks for a password stand before it")
	}
	return metricsPlace{"tcp", at.String()}, nil
}

// listen takes the place. A socket that was left behind is taken away: there
// is one serve, and this is it.
func (p metricsPlace) listen(ctx context.Context) (net.Listener, error) {
	if p.network == "unix" {
		if at, err := os.Lstat(p.address); err == nil && at.Mode().Type() == os.ModeSocket {
			if err := os.Remove(p.address); err != nil {
				return nil, err
			}
		}
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, p.network, p.address)
	if err != nil || p.network != "unix" {
		return l, err
	}
	// The group may be given away by the operator; others get nothing.
	if err := os.Chmod(p.address, 0o660); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// metricsTask is the task that hands out figures by HTTP, in the format of
// Prometheus.
func (a *app) metricsTask(inst ispctl.Installation, place metricsPlace, say *log.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		own := &app{streams: a.streams, rootDir: a.rootDir, lockWait: a.lockWait}
		defer own.close()
		p, err := own.open(ctx, inst)
		if err != nil {
			return err
		}
		if err := own.metering(p, inst); err != nil {
			return err
		}
		p.Drops = dropsOf(inst)
		l, err := place.listen(ctx)
		if err != nil {
			return fmt.Errorf("metrics at %s: %w", place.address, err)
		}
		metrics := p.Metrics()
		return serveHTTP(ctx, l, func(ctx context.Context) ([]prom.Family, error) {
			all, err := metrics.Read(ctx)
			if err != nil {
				say.Print("metrics: ", err)
			}
			return all, err
		})
	}
}

// serveHTTP answers GET /metrics until ctx ends.
func serveHTTP(ctx context.Context, l net.Listener, read func(context.Context) ([]prom.Family, error)) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		all, err := read(r.Context())
		var text bytes.Buffer
		if err == nil {
			err = prom.Write(&text, all)
		}
		if err != nil {
			// Why is in the journal: it names what is none of a collector's business.
			http.Error(w, "the counters cannot be read", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", prom.ContentType)
		_, _ = w.Write(text.Bytes()) // who went away needs no answer
	})
	s := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
