package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"ispctl"
)

// File gets a file to a path. What an earlier call has left there is continued,
// if the server's file is still the same one; a transfer that is cut is
// continued too, as long as each attempt brings something. When it fails, what
// came stays for the next call.
func (g Getter) File(ctx context.Context, from, to string) error {
	u, err := ParseURL(from)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	t := transfer{Getter: g, url: u, file: f, notes: to + ".json"}
	t.defaults()
	err = t.run(ctx)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return named(u, err)
	}
	return nil
}

// transfer is one file on its way.
type transfer struct {
	Getter
	url   *url.URL
	file  *os.File
	notes string // file with what is known of the file that was begun
	tag   string // by which the server knows its file again; empty: by nothing
}

func (t *transfer) defaults() {
	if t.Largest == 0 {
		t.Largest = defaultLargest
	}
	if t.Idle == 0 {
		t.Idle = defaultIdle
	}
	if t.Pause == 0 {
		t.Pause = defaultPause
	}
	var n note
	if data, err := os.ReadFile(t.notes); err == nil && json.Unmarshal(data, &n) == nil && n.URL == t.url.String() {
		t.tag = n.Tag
	}
}

// note is kept beside a file that is not whole yet.
type note struct {
	URL string `json:"url"`
	Tag string `json:"tag"`
}

// run makes attempts until one ends at the file's end.
func (t *transfer) run(ctx context.Context) error {
	vain := 0
	for {
		before, err := t.length()
		if err != nil {
			return err
		}
		err = t.attempt(ctx, before)
		if err == nil || ctx.Err() != nil || final(err) {
			return errors.Join(err, ctx.Err())
		}
		after, errLength := t.length()
		if errLength != nil {
			return errLength
		}
		if vain++; after > before {
			vain = 0
		}
		if vain == attempts {
			return &ispctl.Error{
				Kind: ispctl.Failed, Cause: fmt.Sprintf("cut at %d bytes, and %d attempts brought no more", after, attempts), Err: err,
				Next: "what came is kept: run the same command again",
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(t.Pause<<vain, mostPause)):
		}
	}
}

func (t *transfer) length() (int64, error) {
	st, err := t.file.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// attempt asks for the rest of the file, or for all of it.
func (t *transfer) attempt(ctx context.Context, at int64) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	idle := time.AfterFunc(t.Idle, func() { stop(fmt.Errorf("nothing came for %s", t.Idle)) })
	defer idle.Stop()
	header := map[string]string{}
	if at > 0 {
		header["Range"] = fmt.Sprintf("bytes=%d-", at)
		if t.tag != "" {
			header["If-Range"] = t.tag
		}
	}
	r, err := t.request(ctx, t.url, header)
	if err != nil {
		return cause(ctx, err)
	}
	defer r.Body.Close()
	total, err := t.begin(r, at)
	if err != nil || total == done {
		return err
	}
	return cause(ctx, t.receive(r.Body, total, func() { idle.Reset(t.Idle) }))
}

// cause prefers the reason for which we cut the transfer ourselves.
func cause(ctx context.Context, err error) error {
	if err != nil && !final(err) && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return err
}

// done, as a total, says that there is nothing left to receive.
const done = -2

// begin looks at an answer, brings the file to the length that it continues at,
// and returns how long the file is to be; -1: the server does not say.
func (t *transfer) begin(r *http.Response, at int64) (total int64, err error) {
	start, total := int64(0), r.ContentLength
	switch {
	case r.StatusCode == http.StatusOK:
	case r.StatusCode == http.StatusPartialContent:
		start, total = contentRange(r.Header.Get("Content-Range"))
		if start != at {
			return 0, t.startOver(fmt.Errorf("the server sends another part than was asked for (%q)", r.Header.Get("Content-Range")))
		}
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable && at > 0:
		if _, total := contentRange(r.Header.Get("Content-Range")); total == at {
			return done, nil
		}
		return 0, t.startOver(errors.New("the server's file is shorter than what came before"))
	case r.StatusCode >= 500, r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusRequestTimeout:
		return 0, fmt.Errorf("the server says %s", r.Status)
	default:
		return 0, refused("the server says %s", r.Status)
	}
	if total > t.Largest {
		return 0, refused("has %d bytes, more than the %s that are allowed", total, ispctl.Size(t.Largest))
	}
	if t.Room != nil && total > start {
		if err := t.Room(total - start); err != nil {
			return 0, err
		}
	}
	if err := t.file.Truncate(start); err != nil {
		return 0, err
	}
	if _, err := t.file.Seek(start, io.SeekStart); err != nil {
		return 0, err
	}
	if start == 0 {
		return total, t.remember(r.Header)
	}
	return total, nil
}

func (t *transfer) startOver(why error) error {
	t.tag = ""
	return errors.Join(why, t.file.Truncate(0))
}

// remember notes by what the file can be known again. A weak tag is no use:
// the bytes may differ.
func (t *transfer) remember(h http.Header) error {
	t.tag = h.Get("ETag")
	if t.tag == "" || strings.HasPrefix(t.tag, "W/") {
		t.tag = h.Get("Last-Modified")
	}
	data, err := json.Marshal(note{URL: t.url.String(), Tag: t.tag})
	if err != nil {
		return err
	}
	return os.WriteFile(t.notes, data, 0o600)
}

// contentRange reads `bytes 0-99/200`. What it cannot read is -1.
func contentRange(text string) (start, total int64) {
	var end int64
	if _, err := fmt.Sscanf(text, "bytes %d-%d/%d", &start, &end, &total); err == nil {
		return start, total
	}
	if _, err := fmt.Sscanf(text, "bytes */%d", &total); err == nil {
		return -1, total
	}
	if _, err := fmt.Sscanf(text, "bytes %d-%d/*", &start, &end); err == nil {
		return start, -1
	}
	return -1, -1
}

// receive writes a body to its end.
func (t *transfer) receive(body io.Reader, total int64, alive func()) error {
	b := make([]byte, 1<<20)
	at, err := t.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	for {
		n, err := body.Read(b)
		if n > 0 {
			alive()
			if at+int64(n) > t.Largest {
				return refused("goes on beyond the %s that are allowed", ispctl.Size(t.Largest))
			}
			if _, err := t.file.Write(b[:n]); err != nil {
				return &ispctl.Error{Kind: ispctl.Failed, Cause: "cannot be written", Err: err}
			}
			at += int64(n)
			if t.Progress != nil {
				t.Progress(at, total)
			}
		}
		switch {
		case errors.Is(err, io.EOF) && total >= 0 && at < total, errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("cut at %d of %d bytes", at, total)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
