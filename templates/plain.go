package templates

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// plainRecipe adds what a guest without cloud-init is to write and to run. An
// archive keeps names and contents apart for tar(1), and zeros do it for
// xargs(1): there is nothing to quote, and nothing to break out of.
func plainRecipe(t Template, files map[string][]byte) error {
	written, steps := t.firstBoot()
	if len(written) > 0 {
		archive, err := encodeTar(written)
		if err != nil {
			return err
		}
		files["ispctl/files.tar"] = archive
	}
	for i, s := range steps {
		files[fmt.Sprintf("ispctl/steps/%03d", i+1)] = []byte(strings.Join(s, "\x00") + "\x00")
	}
	return nil
}

// encodeTar is the same bytes for the same files.
func encodeTar(files []File) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		mode, err := strconv.ParseInt(f.Mode, 8, 32)
		if err != nil {
			return nil, fmt.Errorf("file %s: mode: %w", f.Path, err)
		}
		user, group, _ := strings.Cut(f.Owner, ":")
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: strings.TrimPrefix(f.Path, "/"), Mode: mode, Size: int64(len(f.Content)),
			Uname: user, Gname: group, ModTime: time.Unix(0, 0), Format: tar.FormatGNU,
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("file %s: %w", f.Path, err)
		}
		if _, err := w.Write([]byte(f.Content)); err != nil {
			return nil, fmt.Errorf("file %s: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
