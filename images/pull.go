package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/images/fetch"
)

// PullOptions say what is pulled, and by what it is trusted: by a checksum that
// the caller knows, by the publisher's signature, or by what [Known] says. One of
// them there must be; of several, all must hold.
type PullOptions struct {
	ImportOptions // SHA256 is that of the file as it is published

	Known        Known    // its Sums, its SumsSignature and its key are used if they are set
	Signature    string   // file, or URL, of a detached signature of the image file
	Keyring      string   // file with the keys that may sign
	Fingerprints []string // of those, the only ones that count; empty: all

	Getter fetch.Getter // Largest, Room and Progress are set here
}

// PhaseDownload is the phase in which Done and Total of an [Event] are bytes; a
// total of -1 is not known.
const PhaseDownload = "download"

// pullPrefix begins the name of a directory in the store in which a file is
// pulled. It stays when the transfer is cut, so that it can go on.
const pullPrefix = ".pull-"

// Pull gets an image from a URL, verifies it, and imports it. A transfer that is
// cut is continued by the next call for the same file. What does not hold
// against its checksum or signature is removed unread.
func Pull(ctx context.Context, s *Store, o PullOptions) (ispctl.Image, error) {
	if o.Largest == 0 {
		o.Largest = DefaultLargest
	}
	p := puller{PullOptions: o, store: s}
	p.Getter.Largest = int64(o.Largest)
	p.Getter.Progress = func(done, total int64) {
		if o.Progress != nil {
			o.Progress(Event{Phase: PhaseDownload, Message: o.Source, Done: done, Total: total})
		}
	}
	image, err := p.run(ctx)
	if err != nil {
		return ispctl.Image{}, &ispctl.Error{Kind: ispctl.KindOf(err), Object: fmt.Sprintf("pull image %q", o.Name), Err: diskFull(err)}
	}
	return image, nil
}

type puller struct {
	PullOptions
	store *Store
	sums  []string // sha256 or sha512, all of which the file must have
}

func (p *puller) run(ctx context.Context) (ispctl.Image, error) {
	u, err := fetch.ParseURL(p.Source)
	if err != nil {
		return ispctl.Image{}, err
	}
	if err := p.wanted(ctx, path.Base(u.Path)); err != nil {
		return ispctl.Image{}, err
	}
	signature, keyring, err := p.signature(ctx)
	if err != nil {
		return ispctl.Image{}, err
	}
	dir, lock, err := p.dir()
	if err != nil {
		return ispctl.Image{}, err
	}
	defer lock.Close()
	file := filepath.Join(dir, "image")
	p.Getter.Room = (&spool{dir: dir}).roomFor
	if err := p.Getter.File(ctx, p.Source, file); err != nil {
		if st, errStat := os.Stat(file); errStat != nil || st.Size() == 0 {
			err = errors.Join(err, os.RemoveAll(dir)) // of no use to the next call
		}
		return ispctl.Image{}, err
	}
	p.tell("verify checksum and signature")
	err = p.verify(ctx, file, signature, keyring)
	if err == nil {
		p.pulled = true
		var image ispctl.Image
		if image, err = imported(ctx, p.store, file, p.ImportOptions); err == nil {
			return image, os.RemoveAll(dir)
		}
	}
	// A file that is not what was published, or is nothing we take, will not
	// become so.
	if k := ispctl.KindOf(err); k == ispctl.Usage || errors.Is(err, errNotGenuine) {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return ispctl.Image{}, err
}

func (p *puller) tell(message string) {
	if p.Progress != nil {
		p.Progress(Event{Phase: PhaseRead, Message: message})
	}
}

// wanted finds out which checksums the file is to have, before it is asked for.
func (p *puller) wanted(ctx context.Context, name string) error {
	if p.SHA256 != "" {
		sum := strings.ToLower(p.SHA256)
		if len(sum) != sha256.Size*2 || !fetch.IsSum(sum) {
			return ispctl.Invalid("checksum", p.SHA256, "is no sha256: 64 hex digits")
		}
		p.sums = append(p.sums, sum)
	}
	if p.Known.Sums != "" {
		list, err := p.Getter.Bytes(ctx, p.Known.Sums)
		if err != nil {
			return err
		}
		if err := p.verifyList(ctx, list); err != nil {
			return err
		}
		sum, err := fetch.FindSum(list, name)
		if err != nil {
			return &ispctl.Error{Kind: ispctl.Failed, Object: p.Known.Sums, Err: err}
		}
		p.sums = append(p.sums, sum)
	}
	if len(p.sums) == 0 && p.Signature == "" {
		return &ispctl.Error{
			Kind: ispctl.Usage, Cause: "nothing says what the file is to be",
			Next: "give --sha256, or --signature with --keyring",
		}
	}
	return nil
}

// verifyList checks the signature of a list of checksums, if it has one.
func (p *puller) verifyList(ctx context.Context, list []byte) error {
	if p.Known.SumsSignature == "" {
		return nil
	}
	signature, err := p.Getter.Bytes(ctx, p.Known.SumsSignature)
	if err != nil {
		return err
	}
	var keyring []byte
	if p.Keyring != "" {
		keyring, err = os.ReadFile(p.Keyring)
	} else {
		keyring, err = p.Getter.Bytes(ctx, p.Known.Key)
	}
	if err != nil {
		return &ispctl.Error{
			Kind: ispctl.KindOf(err), Cause: fmt.Sprintf("get the key of %s", p.Known.Signer), Err: err,
			Next: "give a file that has it: --keyring FILE (its fingerprint is checked)",
		}
	}
	_, err = fetch.Verify(keyring, []string{p.Known.Fingerprint}, bytes.NewReader(list), signature)
	if err != nil {
		return &ispctl.Error{Kind: ispctl.Failed, Object: p.Known.Sums, Err: err}
	}
	return nil
}

// signature reads the signature of the image file, and the keys.
func (p *puller) signature(ctx context.Context) (signature, keyring []byte, err error) {
	if p.Signature == "" {
		return nil, nil, nil
	}
	if p.Keyring == "" {
		return nil, nil, &ispctl.Error{Kind: ispctl.Usage, Cause: "a signature proves nothing without the keys that may sign", Next: "give --keyring FILE"}
	}
	if keyring, err = os.ReadFile(p.Keyring); err != nil {
		return nil, nil, err
	}
	if strings.Contains(p.Signature, "://") {
		signature, err = p.Getter.Bytes(ctx, p.Signature)
	} else {
		signature, err = os.ReadFile(p.Signature)
	}
	return signature, keyring, err
}

// dir is where the file is pulled to: the same for the same file of the same
// content. It is locked, so that only one process writes.
func (p *puller) dir() (string, *os.File, error) {
	if err := makeDirs(p.store.Dir, dirMode); err != nil {
		return "", nil, fmt.Errorf("image store: %w", err)
	}
	key := sha256.Sum256([]byte(p.Source + "\n" + strings.Join(p.sums, "\n")))
	dir := filepath.Join(p.store.Dir, pullPrefix+hex.EncodeToString(key[:8]))
	if err := makeDirs(dir, 0o700); err != nil {
		return "", nil, err
	}
	lock, err := lockDir(dir)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return "", nil, &ispctl.Error{Kind: ispctl.Conflict, Object: p.Source, Cause: "is being pulled by another ispctl", Next: "wait for it"}
	}
	return dir, lock, err
}

// errNotGenuine is in the tree of the errors of a file that is another one than
// was published.
var errNotGenuine = errors.New("it is removed unread")

// verify reads the file once, for all checksums, and once for the signature.
func (p *puller) verify(ctx context.Context, file string, signature, keyring []byte) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if len(p.sums) > 0 {
		by := map[int]hash.Hash{2 * sha256.Size: sha256.New(), 2 * sha512.Size: sha512.New()}
		_, err := io.CopyBuffer(io.MultiWriter(by[2*sha256.Size], by[2*sha512.Size]), &untilDone{ctx, f}, make([]byte, 1<<20))
		if err != nil {
			return err
		}
		for _, want := range p.sums {
			if have := hex.EncodeToString(by[len(want)].Sum(nil)); have != want {
				return &ispctl.Error{Kind: ispctl.Failed, Cause: fmt.Sprintf("the file that came has checksum %s, not %s", have, want), Err: errNotGenuine}
			}
		}
	}
	if signature == nil {
		return nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := fetch.Verify(keyring, p.Fingerprints, &untilDone{ctx, f}, signature); err != nil {
		return errors.Join(err, errNotGenuine)
	}
	return ctx.Err()
}

// PruneTransfers removes what cut-off transfers have left, but for those that
// another process is at, and returns how many there were.
func (s *Store) PruneTransfers() (int, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := 0
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), pullPrefix) {
			continue
		}
		dir := filepath.Join(s.Dir, e.Name())
		lock, err := lockDir(dir)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			errs = append(errs, err)
			continue
		}
		n++
		errs = append(errs, os.RemoveAll(dir), lock.Close())
	}
	return n, errors.Join(append(errs, s.sweep())...)
}
