package images

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ispctl"
	"ispctl/images/fetch"
	"ispctl/internal/testkit"
)

// publisher serves a disk image with checksums and signatures, made by the real
// sha256sum, sha512sum and gpg.
type publisher struct {
	dir, url    string
	fingerprint string
	asked       atomic.Int32 // for the image
	cutAt       atomic.Int32 // where the connection breaks, once; 0: nowhere
	stranger    string       // directory of another key
}

func publish(t *testing.T) *publisher {
	t.Helper()
	testkit.Need(t, testkit.Root)
	p := &publisher{dir: t.TempDir()}
	disk := bootable(4 << 20)
	for i := 4096; i < len(disk); i += 512 {
		disk[i] = byte(i >> 9)
	}
	writeFile(t, p.at("disk.img"), disk)
	keys := func() (home, print string) {
		home, err := os.MkdirTemp("", "gpg") // short: it holds a socket
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(home) })
		testkit.Sh(t, "gpg", "--homedir", home, "--batch", "-q", "--passphrase", "", "--quick-gen-key", "test@example.org", "ed25519", "sign", "1d")
		for line := range strings.Lines(testkit.Sh(t, "gpg", "--homedir", home, "--batch", "-q", "--with-colons", "-k")) {
			if f := strings.Split(line, ":"); f[0] == "fpr" {
				return home, f[9]
			}
		}
		t.Fatal("no key")
		return "", ""
	}
	home, print := keys()
	p.fingerprint = print
	p.stranger, _ = keys()
	testkit.Sh(t, "sh", "-ec", `cd "$0"; sha256sum disk.img >SHA256SUMS; sha512sum disk.img >SHA512SUMS
		gpg --homedir "$1" --batch -q --armor --export >key.asc; gpg --homedir "$1" --batch -q --export >key.gpg
		gpg --homedir "$1" --batch -q --detach-sign -o SHA256SUMS.gpg SHA256SUMS; gpg --homedir "$1" --batch -q --armor --detach-sign disk.img
		gpg --homedir "$2" --batch -q --detach-sign -o stranger.gpg SHA256SUMS; gpg --homedir "$2" --batch -q --armor --export >stranger.asc
		gpg --homedir "$2" --batch -q --detach-sign -o disk.stranger disk.img`, p.dir, home, p.stranger)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/disk.img" {
			p.asked.Add(1)
			if at := p.cutAt.Swap(0); at > 0 {
				w.Header().Set("Content-Length", fmt.Sprint(len(disk)))
				w.Header().Set("Last-Modified", time.Unix(1e9, 0).UTC().Format(http.TimeFormat))
				_, _ = w.Write(disk[:at])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			data, err := os.ReadFile(p.at("disk.img"))
			if err != nil {
				t.Error(err)
			}
			http.ServeContent(w, r, "disk.img", time.Unix(1e9, 0), bytes.NewReader(data))
			return
		}
		http.ServeFile(w, r, p.at(filepath.Base(r.URL.Path)))
	}))
	t.Cleanup(s.Close)
	p.url = s.URL
	return p
}

func (p *publisher) at(name string) string { return filepath.Join(p.dir, name) }

// known is the publisher's line in a catalogue.
func (p *publisher) known() Known {
	return Known{
		Name: "x", URL: p.url + "/disk.img", Sums: p.url + "/SHA256SUMS", SumsSignature: p.url + "/SHA256SUMS.gpg",
		Fingerprint: p.fingerprint, Key: p.url + "/key.asc",
	}
}

func (p *publisher) sum(t *testing.T) string {
	t.Helper()
	sum, err := hashFile(t.Context(), p.at("disk.img"))
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestPull(t *testing.T) {
	p := publish(t)
	byURL := func() PullOptions {
		return PullOptions{ImportOptions: ImportOptions{Name: "x", Source: p.url + "/disk.img"}}
	}
	byName := func() PullOptions {
		o := byURL()
		o.Known = p.known()
		return o
	}
	for _, tt := range []struct {
		name   string
		o      func() PullOptions
		change func(*PullOptions)
		want   string // error
		kind   ispctl.ErrorKind
		unread bool // the image itself is not even asked for
	}{
		{"by checksum", byURL, func(o *PullOptions) { o.SHA256 = strings.ToUpper(p.sum(t)) }, "", 0, false},
		{"by signature", byURL, func(o *PullOptions) { o.Signature, o.Keyring = p.url+"/disk.img.asc", p.at("key.gpg") }, "", 0, false},
		{"by signature in a file, of one key", byURL, func(o *PullOptions) {
			o.Signature, o.Keyring, o.Fingerprints = p.at("disk.img.asc"), p.at("key.asc"), []string{p.fingerprint}
		}, "", 0, false},
		{"by all", byName, func(o *PullOptions) {
			o.SHA256, o.Signature, o.Keyring = p.sum(t), p.at("disk.img.asc"), p.at("key.asc")
		}, "", 0, false},
		{"by name", byName, func(*PullOptions) {}, "", 0, false},
		{"by name, with the key in a file", byName, func(o *PullOptions) { o.Keyring, o.Known.Key = p.at("key.gpg"), p.url+"/none" }, "", 0, false},
		{"by name, without a signer", byName, func(o *PullOptions) { o.Known.SumsSignature, o.Known.Sums = "", p.url+"/SHA512SUMS" }, "", 0, false},

		{"by nothing", byURL, func(*PullOptions) {}, "give --sha256", ispctl.Usage, true},
		{"signature without keys", byURL, func(o *PullOptions) { o.Signature = p.at("disk.img.asc") }, "give --keyring", ispctl.Usage, true},
		{"another checksum", byURL, func(o *PullOptions) { o.SHA256 = strings.Repeat("0", 64) }, "not 0000", ispctl.Failed, false},
		{"a stranger's signature", byURL, func(o *PullOptions) { o.Signature, o.Keyring = p.at("disk.stranger"), p.at("key.asc") }, "does not hold", ispctl.Failed, false},
		{"a signature of something else", byURL, func(o *PullOptions) { o.Signature, o.Keyring = p.at("SHA256SUMS.gpg"), p.at("key.asc") }, "does not hold", ispctl.Failed, false},
		{"a good checksum and a bad signature", byURL, func(o *PullOptions) {
			o.SHA256, o.Signature, o.Keyring = p.sum(t), p.at("disk.stranger"), p.at("key.asc")
		}, "does not hold", ispctl.Failed, false},
		{"checksums signed by a stranger", byName, func(o *PullOptions) { o.Known.SumsSignature = p.url + "/stranger.gpg" }, "does not hold", ispctl.Failed, true},
		{"checksums and key of a stranger", byName, func(o *PullOptions) {
			o.Known.SumsSignature, o.Known.Key = p.url+"/stranger.gpg", p.url+"/stranger.asc"
		}, "no key " + p.fingerprint, ispctl.Failed, true},
		{"checksums of another file", byName, func(o *PullOptions) { o.Source = p.url + "/other.img" }, `0 for "other.img"`, ispctl.Failed, true},
		{"no signature there", byName, func(o *PullOptions) { o.Known.SumsSignature = p.url + "/none" }, "404", ispctl.Failed, true},
		{"good checksums, and another from the caller", byName, func(o *PullOptions) { o.SHA256 = strings.Repeat("0", 64) }, "not 0000", ispctl.Failed, false},
		{"too large", byURL, func(o *PullOptions) { o.SHA256, o.Largest = p.sum(t), ispctl.MiB }, "more than the 1MiB that are allowed", ispctl.Failed, false},
		{"no disk", byURL, func(o *PullOptions) {
			o.Source = p.url + "/SHA512SUMS"
			o.SHA256, _ = hashFile(t.Context(), p.at("SHA512SUMS"))
		}, "too few for any disk", ispctl.Usage, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &Store{Dir: filepath.Join(t.TempDir(), "store")}
			o := tt.o()
			o.Getter = fetch.Getter{Pause: time.Millisecond}
			tt.change(&o)
			p.asked.Store(0)
			image, err := Pull(t.Context(), s, o)
			left := len(lsIfThere(s.Dir))
			if tt.want == "" {
				m, _ := s.Manifest(image.Digest)
				if err != nil || m.SHA256[diskFile] != p.sum(t) || m.Source != p.url+"/disk.img" || left != 1 {
					t.Errorf("%+v, %v, %d in the store", m, err, left)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || ispctl.KindOf(err) != tt.kind {
				t.Errorf("want %q, have kind %d, %v", tt.want, ispctl.KindOf(err), err)
			}
			if tt.unread && p.asked.Load() > 0 {
				t.Error("the image was asked for all the same")
			}
			if names := lsIfThere(s.Dir); len(names) > 0 {
				t.Errorf("left %v", names)
			}
		})
	}
}

func lsIfThere(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestPullGoesOn cuts a transfer, which continues by itself; then one that another
// process began, which was killed.
func TestPullGoesOn(t *testing.T) {
	p := publish(t)
	s := &Store{Dir: filepath.Join(t.TempDir(), "store")}
	o := PullOptions{ImportOptions: ImportOptions{Name: "x", Source: p.url + "/disk.img", SHA256: p.sum(t)}, Getter: fetch.Getter{Pause: time.Millisecond}}
	var came int64
	o.Progress = func(e Event) {
		if e.Phase == PhaseDownload {
			came = e.Done
		}
	}
	p.cutAt.Store(3 << 20)
	image, err := Pull(t.Context(), s, o)
	if err != nil || p.asked.Load() != 2 {
		t.Fatalf("cut once: %v, asked %d times", err, p.asked.Load())
	}
	if err := s.Remove(t.Context(), image.Digest); err != nil {
		t.Fatal(err)
	}
	// What a killed process left is continued by another.
	q := puller{PullOptions: o, store: s, sums: []string{p.sum(t)}}
	kept, lock, err := q.dir()
	if err != nil {
		t.Fatal(err)
	}
	disk, err := os.ReadFile(p.at("disk.img"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(kept, "image"), disk[:3<<20])
	if _, err := Pull(t.Context(), s, o); ispctl.KindOf(err) != ispctl.Conflict {
		t.Errorf("two at once: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	came = 0
	p.asked.Store(0)
	if _, err := Pull(t.Context(), s, o); err != nil || came != 4<<20 || p.asked.Load() != 1 {
		t.Errorf("%v, %d bytes, asked %d times", err, came, p.asked.Load())
	}
}

// TestKnownImages: names, places and signers are sound, and no row is without a
// checksum.
func TestKnownImages(t *testing.T) {
	all := KnownImages()
	if len(all) < 6 {
		t.Errorf("only %d", len(all))
	}
	recipes := map[ispctl.Name]bool{}
	for _, r := range Catalogue() {
		recipes[r.Name] = true
	}
	for i, k := range all {
		if _, err := ispctl.ParseName("image", string(k.Name)); err != nil || recipes[k.Name] || i > 0 && k.Name <= all[i-1].Name {
			t.Errorf("name %q: %v; or it is a recipe's, or out of order", k.Name, err)
		}
		if k.Description == "" || k.Sums == "" || (k.SumsSignature == "") != (k.Fingerprint == "") || (k.Key == "") != (k.Fingerprint == "") {
			t.Errorf("%+v", k)
		}
		if k.Fingerprint != "" && len(k.Fingerprint) != 40 {
			t.Errorf("%s: fingerprint %q", k.Name, k.Fingerprint)
		}
		for _, u := range []string{k.URL, k.Sums, k.SumsSignature, k.Key} {
			if u != "" && !strings.HasPrefix(u, "https://") {
				t.Errorf("%s: %s is not https", k.Name, u)
			}
		}
		if found, err := FindKnown(string(k.Name)); err != nil || found != k {
			t.Errorf("%s is not found: %v", k.Name, err)
		}
	}
	if _, err := FindKnown("nope"); ispctl.KindOf(err) != ispctl.NotFound || !strings.Contains(err.Error(), "ubuntu-24-04") {
		t.Errorf("got %v", err)
	}
}

// TestPruneTransfers removes what nobody is at.
func TestPruneTransfers(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	image := add(t, s, "micro", "x")
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(s.Dir, pullPrefix+name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := lockDir(filepath.Join(s.Dir, pullPrefix+"b"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if n, err := s.PruneTransfers(); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if names := ls(t, s.Dir); len(names) != 2 || names[0] != pullPrefix+"b" && names[1] != pullPrefix+"b" {
		t.Errorf("left %v beside %s", names, image.Digest)
	}
}
