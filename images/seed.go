package images

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
)

// SeedLabel is the volume label by which cloud-init's NoCloud datasource finds
// the seed.
const SeedLabel = "cidata"

// seedName is a name that isofs of Linux (map=normal: lower case, no version)
// gives back as it was. A dot in a directory, or two in a file, would come back
// as underscores.
var seedName = regexp.MustCompile(`^([a-z0-9_-]{1,20}/)*[a-z0-9_-]{1,20}(\.[a-z0-9_-]{1,8})?$`)

// Seed is what a guest is told at its first boot. To tell one from another
// takes no more than its digest, so the files are made only where they are to
// be written.
type Seed struct {
	Digest string // differs whenever the files do; printable, at most [MaxDigest] bytes
	Files  func() (map[string][]byte, error)
}

// names are those of the files, or none where they cannot be made.
func (s Seed) names() []string {
	if s.Files == nil {
		return nil
	}
	files, _ := s.Files() // whoever writes them hears of the error
	return slices.Sorted(maps.Keys(files))
}

// MaxDigest is the room for a digest.
const MaxDigest = 128

// seedMark comes before the digest in the field that ISO 9660 leaves to
// applications; a zero comes after it.
const seedMark = "ispctl seed "

// WriteSeed makes path an ISO 9660 image labelled cidata that holds the seed's
// files, by name, and its digest. Names are lower-case letters, digits, hyphens
// and underscores, with one dot at most and slashes between directories. The
// same seed gives the same bytes. It is written and synced beside path and
// renamed over what is there: a crash leaves the old image or the new one.
func WriteSeed(path string, s Seed) error {
	image, err := encodeSeed(s)
	if err != nil {
		return fmt.Errorf("write seed %s: %w", path, err)
	}
	err = writeDurably(path, 0, func(f *os.File) error {
		_, err := f.WriteAt(image[systemArea:], systemArea) // what is before it is a hole
		return err
	})
	if err != nil {
		return fmt.Errorf("write seed %s: %w", path, err)
	}
	return nil
}

func encodeSeed(s Seed) ([]byte, error) {
	if s.Digest == "" || len(s.Digest) > MaxDigest {
		return nil, fmt.Errorf("its digest has %d bytes", len(s.Digest))
	}
	files, err := s.Files()
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("it would hold no file")
	}
	for name := range files {
		if !seedName.MatchString(name) {
			return nil, fmt.Errorf("the file name %q would not survive ISO 9660", name)
		}
	}
	return encodeISO(SeedLabel, seedMark+s.Digest, files)
}

// readSeedDigest reads the digest of the seed at path, and nothing else of it.
// It is empty where there is no seed, and a remark that no seed has where there
// is something else: the seed is replaced as a whole or not at all, so what
// bears the digest is what was written with it.
func readSeedDigest(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	remark := make([]byte, len(seedMark)+MaxDigest+1)
	if n, err := f.ReadAt(remark, descriptorSector*sectorSize+remarkAt); n < len(remark) {
		return fmt.Sprintf("(%v)", err), nil
	}
	digest, ours := bytes.CutPrefix(remark, []byte(seedMark))
	digest, _, whole := bytes.Cut(digest, []byte{0})
	if !ours || !whole || len(digest) == 0 {
		return "(no seed of ours)", nil
	}
	return string(digest), nil
}
