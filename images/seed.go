package images

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"

	"github.com/kdomanski/iso9660"
)

// SeedLabel is the volume label by which cloud-init's NoCloud datasource finds
// the seed.
const SeedLabel = "cidata"

// seedName is a name that ISO 9660 as the library writes it and Linux's isofs
// (map=normal: lower case, no version) give back as it was. A dot in a
// directory, or two in a file, would come back as underscores.
var seedName = regexp.MustCompile(`^([a-z0-9_-]{1,20}/)*[a-z0-9_-]{1,20}(\.[a-z0-9_-]{1,8})?$`)

// WriteSeed makes path an ISO 9660 image labelled cidata that holds the files,
// by name. Names are lower-case letters, digits, hyphens and underscores, with
// one dot at most and slashes between directories. The same files give the
// same bytes. It is written and synced beside path and renamed over what is
// there: a crash leaves the old image or the new one.
func WriteSeed(path string, files map[string][]byte) error {
	image, err := encodeSeed(files)
	if err != nil {
		return fmt.Errorf("write seed %s: %w", path, err)
	}
	err = writeDurably(path, 0, func(f *os.File) error {
		_, err := f.Write(image)
		return err
	})
	if err != nil {
		return fmt.Errorf("write seed %s: %w", path, err)
	}
	return nil
}

func encodeSeed(files map[string][]byte) (image []byte, err error) {
	if len(files) == 0 {
		return nil, errors.New("it would hold no file")
	}
	w, err := iso9660.NewWriter()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Cleanup()) }()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !seedName.MatchString(name) {
			return nil, fmt.Errorf("the file name %q would not survive ISO 9660", name)
		}
		if err := w.AddFile(bytes.NewReader(files[name]), name); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	if err := w.WriteTo(&b, SeedLabel); err != nil {
		return nil, err
	}
	image = b.Bytes()
	forgetTime(image)
	return image, nil
}

// forgetTime sets the volume's dates to "not specified" (ECMA-119, 8.4.26.1),
// which is sixteen zeros in ASCII and a zero byte. The library has no option
// for it, and without it no two seeds would be alike.
func forgetTime(image []byte) {
	const (
		descriptor   = 16 * 2048 // the primary volume descriptor is in sector 16
		creation     = 813       // ECMA-119, table 4, counted from zero
		modification = 830
		effective    = 864
	)
	for _, field := range []int{creation, modification, effective} {
		copy(image[descriptor+field:], "0000000000000000\x00")
	}
}
