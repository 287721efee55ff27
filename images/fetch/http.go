package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"ispctl"
)

// Getter gets files. The zero value is ready to use.
type Getter struct {
	// Largest is how long a file may be, whatever its server says; 0:
	// 64 GiB.
	Largest int64

	// Room, if set, is asked whether there is room for that many bytes more.
	Room func(bytes int64) error

	// Progress, if set, is told how many bytes are there, of how many; -1: the
	// server does not say. It must return at once.
	Progress func(done, total int64)

	Idle  time.Duration // without a byte, after which a transfer is cut; 0: a minute
	Pause time.Duration // before the first new attempt, doubled with each; 0: a second
}

const (
	defaultLargest = 64 << 30
	defaultIdle    = time.Minute
	defaultPause   = time.Second
	mostPause      = 30 * time.Second
	mostRedirects  = 10

	// attempts is how often in a row a transfer may bring nothing at all.
	attempts = 5
)

// ParseURL takes http and https, and nothing that would put a password into a
// log or a manifest.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, ispctl.Invalid("URL", text, "%v", errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, ispctl.Invalid("URL", text, "is neither http nor https")
	case u.User != nil:
		return nil, ispctl.Invalid("URL", u.Redacted(), "has a user in it")
	case u.Host == "":
		return nil, ispctl.Invalid("URL", text, "has no host")
	}
	return u, nil
}

// client follows redirects as long as they stay on the web, and never from TLS
// to plain text.
func client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// A server that compresses on its own would make offsets meaningless.
	transport.DisableCompression = true
	transport.ResponseHeaderTimeout = defaultIdle
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(to *http.Request, via []*http.Request) error {
			switch {
			case len(via) > mostRedirects:
				return refused("is redirected more than %d times", mostRedirects)
			case to.URL.Scheme != "http" && to.URL.Scheme != "https":
				return refused("is redirected to %s, which is neither http nor https", to.URL.Redacted())
			case to.URL.Scheme == "http" && via[0].URL.Scheme == "https":
				return refused("is redirected from https to http, %s", to.URL.Redacted())
			}
			return nil
		},
	}
}

// refused is an error that another attempt cannot mend.
func refused(format string, args ...any) error {
	return &ispctl.Error{Kind: ispctl.Failed, Cause: fmt.Sprintf(format, args...)}
}

func final(err error) bool {
	_, ours := errors.AsType[*ispctl.Error](err)
	return ours
}

// named puts the URL before a reason.
func named(u *url.URL, err error) error {
	return &ispctl.Error{Kind: ispctl.KindOf(err), Object: "URL " + strconv.Quote(u.Redacted()), Err: err}
}

// Bytes gets a small file: a list of checksums, a signature, a key.
func (g Getter) Bytes(ctx context.Context, from string) ([]byte, error) {
	const most = 4 << 20
	u, err := ParseURL(from)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, defaultIdle)
	defer stop()
	r, err := g.request(ctx, u, nil)
	if err != nil {
		return nil, named(u, err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, named(u, refused("the server says %s", r.Status))
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err == nil && len(data) > most {
		err = refused("is longer than %d bytes", most)
	}
	if err != nil {
		return nil, named(u, err)
	}
	return data, nil
}

func (g Getter) request(ctx context.Context, u *url.URL, header map[string]string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "ispctl")
	for key, value := range header {
		r.Header.Set(key, value)
	}
	answer, err := client().Do(r)
	// Its words around the cause are the method and the URL, which we say too.
	if outer, ok := err.(*url.Error); ok { //nolint:errorlint // nothing else is around it
		err = outer.Err
	}
	return answer, err
}
