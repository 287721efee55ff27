package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"ispctl"
)

var content = bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB

// getter is impatient.
var getter = Getter{Idle: 300 * time.Millisecond, Pause: time.Millisecond, Largest: 4 << 20}

// serve serves on a port of lo; each request is counted, from 1.
func serve(t *testing.T, handler func(w http.ResponseWriter, r *http.Request, n int32)) string {
	t.Helper()
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(w, r, n.Add(1)) }))
	t.Cleanup(s.Close)
	return s.URL + "/image"
}

// whole serves the content as a good server does, ranges and all.
func whole(w http.ResponseWriter, r *http.Request, tag string) {
	w.Header().Set("ETag", tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// cut sends the first bytes of an answer that promises more, and hangs up.
func cut(w http.ResponseWriter, from, n int) {
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(content[from : from+n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestFile(t *testing.T) {
	const half = 1 << 19
	for _, tt := range []struct {
		name   string
		before []byte // what an earlier call left
		serve  func(w http.ResponseWriter, r *http.Request, n int32)
		want   string // error; empty: the whole content
		asked  int32  // requests, at most
	}{
		{"whole", nil, func(w http.ResponseWriter, r *http.Request, _ int32) { whole(w, r, `"1"`) }, "", 1},
		{"without a length", nil, func(w http.ResponseWriter, _ *http.Request, _ int32) {
			for b := content; len(b) > 0; b = b[1<<16:] {
				_, _ = w.Write(b[:1<<16])
				w.(http.Flusher).Flush()
			}
		}, "", 1},
		{"cut half-way", nil, func(w http.ResponseWriter, r *http.Request, n int32) {
			if n == 1 {
				cut(w, 0, half)
			}
			if have := r.Header.Get("Range"); have != "bytes=524288-" || r.Header.Get("If-Range") != `"1"` {
				t.Errorf("asked for %q if %q", have, r.Header.Get("If-Range"))
			}
			whole(w, r, `"1"`)
		}, "", 2},
		{"cut often", nil, func(w http.ResponseWriter, r *http.Request, n int32) {
			if n < 9 {
				cut(w, int(n-1)*1000, 1000)
			}
			whole(w, r, `"1"`)
		}, "", 9},
		{"busy at first", nil, func(w http.ResponseWriter, r *http.Request, n int32) {
			if n < 3 {
				http.Error(w, "later", http.StatusServiceUnavailable)
				return
			}
			whole(w, r, `"1"`)
		}, "", 3},
		{"another file meanwhile", nil, func(w http.ResponseWriter, r *http.Request, n int32) {
			if n == 1 {
				w.Header().Set("ETag", `"0"`)
				w.Header().Set("Content-Length", fmt.Sprint(len(content)))
				_, _ = w.Write(bytes.Repeat([]byte("z"), half))
				panic(http.ErrAbortHandler)
			}
			whole(w, r, `"1"`) // If-Range does not match: all of it
		}, "", 2},
		{"another part than asked for", nil, func(w http.ResponseWriter, r *http.Request, n int32) {
			switch n {
			case 1:
				cut(w, 0, half)
			case 2:
				cut(w, 7, 100)
			default:
				whole(w, r, `"1"`)
			}
		}, "", 3},
		{"continued after the process ended", content[:half], func(w http.ResponseWriter, r *http.Request, _ int32) { whole(w, r, `"1"`) }, "", 1},
		{"whole before, but not known to be", content, func(w http.ResponseWriter, r *http.Request, _ int32) { whole(w, r, `"1"`) }, "", 1},
		{"longer before than it is", append(bytes.Clone(content), 'x'), func(w http.ResponseWriter, r *http.Request, _ int32) { whole(w, r, `"1"`) }, "", 2},
		{"a server without ranges", content[:half], func(w http.ResponseWriter, _ *http.Request, _ int32) { _, _ = w.Write(content) }, "", 1},

		{"not there", nil, func(w http.ResponseWriter, r *http.Request, _ int32) { http.NotFound(w, r) }, "404 Not Found", 1},
		{"never more than the first bytes", nil, func(w http.ResponseWriter, _ *http.Request, n int32) {
			if n == 1 {
				cut(w, 0, 100)
			}
			cut(w, 100, 0)
		}, "cut at 100 bytes, and 5 attempts brought no more", 6},
		{"silent in the middle", nil, func(w http.ResponseWriter, r *http.Request, n int32) {
			w.Header().Set("ETag", `"1"`)
			if n == 1 {
				_, _ = w.Write(content[:100])
			}
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "nothing came for 300ms", 6},
		{"says it is too large", nil, func(w http.ResponseWriter, _ *http.Request, _ int32) {
			w.Header().Set("Content-Length", fmt.Sprint(1<<40))
		}, "more than the 4MiB that are allowed", 1},
		{"endless", nil, func(w http.ResponseWriter, _ *http.Request, _ int32) {
			for {
				if _, err := w.Write(content); err != nil {
					return
				}
			}
		}, "goes on beyond the 4MiB", 1},
		{"to a file", nil, func(w http.ResponseWriter, _ *http.Request, _ int32) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		}, "redirected to file:///etc/passwd, which is neither http nor https", 1},
		{"to FTP", nil, func(w http.ResponseWriter, r *http.Request, _ int32) {
			http.Redirect(w, r, "ftp://127.0.0.1/x", http.StatusMovedPermanently)
		}, "neither http nor https", 1},
		{"to gopher", nil, func(w http.ResponseWriter, r *http.Request, _ int32) {
			http.Redirect(w, r, "gopher://127.0.0.1:25/_HELO", http.StatusTemporaryRedirect)
		}, "neither http nor https", 1},
		{"in circles", nil, func(w http.ResponseWriter, r *http.Request, n int32) {
			http.Redirect(w, r, fmt.Sprintf("/%d", n), http.StatusFound)
		}, "more than 10 times", 12},
		{"elsewhere on the web", nil, func(w http.ResponseWriter, r *http.Request, n int32) {
			if n == 1 {
				http.Redirect(w, r, "/other", http.StatusFound)
				return
			}
			whole(w, r, `"1"`)
		}, "", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			url := serve(t, func(w http.ResponseWriter, r *http.Request, n int32) { asked.Store(n); tt.serve(w, r, n) })
			to := filepath.Join(t.TempDir(), "file")
			if tt.before != nil {
				must(t, os.WriteFile(to, tt.before, 0o600))
				must(t, os.WriteFile(to+".json", []byte(`{"url":"`+url+`","tag":"\"1\""}`), 0o600))
			}
			g := getter
			var last int64
			g.Progress = func(done, _ int64) { last = done }
			err := g.File(t.Context(), url, to)
			if asked.Load() > tt.asked {
				t.Errorf("asked %d times", asked.Load())
			}
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), url) {
					t.Errorf("want %q, have %v", tt.want, err)
				}
				return
			}
			have, _ := os.ReadFile(to)
			if err != nil || !bytes.Equal(have, content) {
				t.Errorf("%d bytes, %v", len(have), err)
			}
			if len(tt.before) < len(content) && last != int64(len(content)) {
				t.Errorf("the last that was told is %d", last)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestDowngrade follows no redirect from TLS to plain text.
func TestDowngrade(t *testing.T) {
	via, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.org/a", nil)
	must(t, err)
	to, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.org/a", nil)
	must(t, err)
	if err := client().CheckRedirect(to, []*http.Request{via}); err == nil || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("got %v", err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := serve(t, func(w http.ResponseWriter, r *http.Request, _ int32) {
		_, _ = w.Write(content[:100])
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	if err := (Getter{}).File(ctx, url, filepath.Join(t.TempDir(), "file")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestRoom asks before it writes.
func TestRoom(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request, _ int32) { whole(w, r, `"1"`) })
	to := filepath.Join(t.TempDir(), "file")
	g := getter
	full := errors.New("it is full")
	g.Room = func(n int64) error {
		if n != int64(len(content)) {
			t.Errorf("asked for room for %d", n)
		}
		return &ispctl.Error{Err: full}
	}
	if err := g.File(t.Context(), url, to); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if st, err := os.Stat(to); err != nil || st.Size() != 0 {
		t.Errorf("%v, %v", st.Size(), err)
	}
}

func TestURLs(t *testing.T) {
	for _, url := range []string{"", "x", "/etc/passwd", "file:///etc/passwd", "ftp://x/y", "http://", "https://user:word@example.org/x", "http://x\n/", "HTTP//x"} {
		if u, err := ParseURL(url); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%q is %v, %v", url, u, err)
		}
	}
	if _, err := ParseURL("https://user:word@example.org/x"); strings.Contains(err.Error(), "word@") {
		t.Errorf("the password is in %v", err)
	}
}

func TestBytes(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request, n int32) {
		if n == 1 {
			_, _ = w.Write([]byte("sum"))
		}
		for n > 1 {
			if _, err := w.Write(content); err != nil {
				return
			}
		}
	})
	if have, err := getter.Bytes(t.Context(), url); err != nil || string(have) != "sum" {
		t.Errorf("%q, %v", have, err)
	}
	if _, err := getter.Bytes(t.Context(), url); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("endless: %v", err)
	}
}

func TestFindSum(t *testing.T) {
	a, b, long := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 128)
	for _, tt := range []struct{ name, list, want string }{
		{"sha256sum", b + "  other.img\n" + a + "  disk.img\n", a},
		{"binary mode", a + " *disk.img\n", a},
		{"sha512sum", long + "  ./x/disk.img", long},
		{"--tag", "SHA512 (disk.img) = " + long + "\nSHA256 (other.img) = " + a, long},
		{"upper case", strings.ToUpper(a) + "  disk.img", a},
		{"alone", a + "\n", a},
		{"of no file of that name", a + "  disk.img.old\n", ""},
		{"of the end of a name", a + "  evil-disk.img\n", ""},
		{"two", a + "  disk.img\n" + b + "  disk.img\n", ""},
		{"the same twice", a + "  disk.img\n" + a + "  disk.img\n", a},
		{"too short", a[1:] + "  disk.img\n", ""},
		{"no hex", strings.Repeat("g", 64) + "  disk.img\n", ""},
		{"a web page", "<html>disk.img</html>", ""},
		{"empty", "", ""},
	} {
		got, err := FindSum([]byte(tt.list), "disk.img")
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

// signer is a new key, its public half in armor, and a signature of the content.
func signer(t *testing.T) (print string, public, signature []byte) {
	t.Helper()
	e, err := openpgp.NewEntity("Test", "", "test@example.org", nil)
	must(t, err)
	var keys, sig bytes.Buffer
	w, err := armor.Encode(&keys, openpgp.PublicKeyType, nil)
	must(t, err)
	must(t, e.Serialize(w))
	must(t, w.Close())
	must(t, openpgp.DetachSign(&sig, e, bytes.NewReader(content), nil))
	return fingerprint(e), keys.Bytes(), sig.Bytes()
}

func TestVerify(t *testing.T) {
	print1, keys1, sig1 := signer(t)
	print2, keys2, sig2 := signer(t)
	var armored bytes.Buffer
	w, err := armor.Encode(&armored, openpgp.SignatureType, nil)
	must(t, err)
	_, err = w.Write(sig1)
	must(t, err)
	must(t, w.Close())
	damaged := bytes.Clone(sig1)
	damaged[len(damaged)-1] ^= 1
	for _, tt := range []struct {
		name         string
		keys         []byte
		fingerprints []string
		content, sig []byte
		want         string
	}{
		{"good", keys1, nil, content, sig1, ""},
		{"in armor", keys1, nil, content, armored.Bytes(), ""},
		{"by the key that counts", keys1, []string{print2, print1}, content, sig1, ""},
		{"by another key", keys1, nil, content, sig2, "does not hold"},
		{"by a key of the ring that does not count", keys1, []string{print2}, content, sig1, "no key " + print2},
		{"of another content", keys1, nil, content[1:], sig1, "does not hold"},
		{"damaged", keys1, nil, content, damaged, "does not hold"},
		{"empty", keys1, nil, content, nil, "does not hold"},
		{"no signature but a key", keys1, nil, content, keys2, `it is a "PGP PUBLIC KEY BLOCK"`},
		{"a web page", keys1, nil, content, []byte("<html>"), "does not hold"},
		{"an empty keyring", nil, nil, content, sig1, "does not hold"},
		{"a keyring that is none", []byte("<html>"), nil, content, sig1, "keyring cannot be read"},
	} {
		who, err := Verify(tt.keys, tt.fingerprints, bytes.NewReader(tt.content), tt.sig)
		if tt.want == "" && (err != nil || who != print1) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %q, %v", tt.name, who, err)
		}
	}
}
