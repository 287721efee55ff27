package images

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ispctl"
)

// markFile is the ownership mark inside a guest's directory.
const markFile = "ispctl.json"

// mark says whose directory it is, for a human with cat(1) as well.
type mark struct {
	Installation string `json:"installation"`
	UUID         string `json:"uuid"`
}

// halfName is the name of a directory that is being made or removed.
func halfName(uuid string) string { return "." + uuid + ".tmp" }

// isHalf reports whether only this layer could have made a directory of that
// name.
func isHalf(name string) bool {
	uuid, tmp := strings.CutSuffix(strings.TrimPrefix(name, "."), ".tmp")
	return tmp && strings.HasPrefix(name, ".") && uuidPattern.MatchString(uuid)
}

// marked reports whether a directory bears the mark. Whatever is wrong with the
// mark makes the directory foreign, except that it cannot be read at all.
func marked(dir string, want mark) (bool, error) {
	path := filepath.Join(dir, markFile)
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (!st.Mode().IsRegular() || st.Size() > 4096) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	var have mark
	return json.Unmarshal(data, &have) == nil && have == want, nil
}

// makeMarked makes a directory that bears its mark from the moment it is there.
// One that is there already with the mark is success; without, a conflict.
func makeMarked(dir string, m mark) error {
	switch ours, err := marked(dir, m); {
	case err != nil:
		return err
	case ours:
		return nil
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	half := filepath.Join(filepath.Dir(dir), halfName(m.UUID))
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	if err := makeDirs(half, dirMode); err != nil {
		return err
	}
	err = writeDurably(filepath.Join(half, markFile), 0, func(f *os.File) error {
		_, err := f.Write(append(data, '\n'))
		return err
	})
	if err == nil {
		err = rename(half, dir, unix.RENAME_NOREPLACE)
	}
	if errors.Is(err, fs.ErrExist) {
		err = &ispctl.Error{
			Kind: ispctl.Conflict, Object: "directory " + dir,
			Cause: fmt.Sprintf("is in the way: it has no %s of installation %q", markFile, m.Installation),
			Next:  "move it away",
		}
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(half))
	}
	return syncDir(filepath.Dir(dir))
}

// removeMarked removes a directory that bears the mark, out of sight first: one
// whose mark was removed before its disk would be nobody's.
func removeMarked(dir string, m mark) error {
	half := filepath.Join(filepath.Dir(dir), halfName(m.UUID))
	ours, err := marked(dir, m)
	if err != nil {
		return err
	}
	if ours {
		if err := os.RemoveAll(half); err != nil {
			return err
		}
		if err := ignoreGone(rename(dir, half, unix.RENAME_NOREPLACE)); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	return ignoreGone(syncDir(filepath.Dir(dir)))
}
