package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/prom"
)

func TestMetricsPlaces(t *testing.T) {
	for s, want := range map[string]metricsPlace{
		"unix:/run/x.sock": {"unix", "/run/x.sock"}, "127.0.0.1:9732": {"tcp", "127.0.0.1:9732"}, "[::1]:9732": {"tcp", "[::1]:9732"},
	} {
		if got, err := parseMetricsPlace(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "unix:", "unix:x.sock", "0.0.0.0:9732", "[::]:9732", "203.0.113.2:9732", "127.0.0.1:0", "localhost:9732", "9732"} {
		if _, err := parseMetricsPlace(s); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestMetricsSocket asks a real socket, over the one that a killed serve left.
func TestMetricsSocket(t *testing.T) {
	place := metricsPlace{"unix", filepath.Join(t.TempDir(), "m.sock")}
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: place.address, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := place.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if at, err := os.Stat(place.address); err != nil || at.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", at, err)
	}
	broken := false
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serveHTTP(ctx, l, func(context.Context) ([]prom.Family, error) {
			if broken {
				return nil, errors.New("secret")
			}
			f := prom.Family{Name: "a", Help: "b", Kind: prom.Gauge}
			f.Add(7)
			return []prom.Family{f}, nil
		})
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", place.address)
	}}}
	get := func(path string) (int, string) {
		t.Helper()
		r, err := client.Get("http://host" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(text)
	}
	if code, text := get("/metrics"); code != 200 || !strings.HasSuffix(text, "\na 7\n") {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := get("/"); code != 404 {
		t.Errorf("/: %d", code)
	}
	broken = true
	if code, text := get("/metrics"); code != 503 || strings.Contains(text, "secret") {
		t.Errorf("%d %s", code, text)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(place.address); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}
