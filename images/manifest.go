package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"

	"ispctl"
)

// The files of an image, by the names that [ispctl.Paths] gives them.
const (
	diskFile     = "disk.raw"
	kernelFile   = "vmlinuz"
	initrdFile   = "initrd.img"
	manifestFile = "manifest.json"
	builtFile    = "built" // when, RFC 3339; beside the manifest: time is not content
)

// contents are the files that a manifest vouches for. An image that boots by its
// disk has the first alone.
var contents = [...]string{diskFile, kernelFile, initrdFile}

// Manifest says what an image is. Its canonical JSON (one line, keys in the
// order of the fields, a newline at the end) is the file manifest.json, and the
// sha256 of that file names the image: `sha256sum manifest.json` prints the name
// of the directory it is in.
type Manifest struct {
	Name    ispctl.Name       `json:"name"`
	Size    ispctl.Size       `json:"size"`    // of disk.raw in bytes
	Cmdline string            `json:"cmdline"` // of the kernel
	Recipe  string            `json:"recipe"`  // hash of the recipe it was built by; may be empty
	SHA256  map[string]string `json:"sha256"`  // of each file, by its name; encoding/json sorts them

	// Of an image that others made: where it came from, and the sha256 of the
	// file that it came in.
	Source string `json:"source,omitempty"`
	Origin string `json:"origin,omitempty"`
}

// files are those that the manifest vouches for: of a disk, or of a disk with
// what boots it.
func (m Manifest) files() ([]string, error) {
	names := contents[:]
	if m.diskBoot() {
		names = contents[:1]
	}
	for _, name := range names {
		if m.SHA256[name] == "" {
			return nil, fmt.Errorf("it does not vouch for %s", name)
		}
	}
	if len(m.SHA256) != len(names) {
		return nil, fmt.Errorf("it vouches for %d files, not %d", len(m.SHA256), len(names))
	}
	return names, nil
}

// diskBoot reports whether there is no kernel.
func (m Manifest) diskBoot() bool { return m.SHA256[kernelFile] == "" && m.SHA256[initrdFile] == "" }

// encode is the canonical JSON and its digest.
func (m Manifest) encode() (data []byte, digest string, err error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(b.Bytes())
	return b.Bytes(), hex.EncodeToString(sum[:]), nil
}

// decodeManifest is strict: what encodes to other bytes is not a manifest of
// ours, whatever its digest.
func decodeManifest(data []byte) (Manifest, error) {
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Manifest{}, err
	}
	again, _, err := m.encode()
	if err != nil {
		return Manifest{}, err
	}
	if !bytes.Equal(data, again) {
		return Manifest{}, fmt.Errorf("it is not canonical")
	}
	return m, nil
}

// digestPattern is what names an image.
var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// hashFile is the sha256 of a file's content in hex.
func hashFile(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, &untilDone{ctx, f}, make([]byte, 1<<20)); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// untilDone is a reader that ends with its context: disks are large.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
