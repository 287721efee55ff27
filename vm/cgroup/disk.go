package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// schedulerOf is the disk that a directory is on, and what orders its requests.
// A directory that is not there yet is where its parent is.
func schedulerOf(dir string) (disk, scheduler string, err error) {
	var st unix.Stat_t
	for err = unix.Stat(dir, &st); errors.Is(err, fs.ErrNotExist) && dir != "/"; err = unix.Stat(dir, &st) {
		dir = filepath.Dir(dir)
	}
	if err != nil {
		return "", "", err
	}
	at, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))
	if err != nil {
		return "", "", err
	}
	// A partition is a directory in that of its disk.
	if _, err := os.Stat(filepath.Join(at, "partition")); err == nil {
		at = filepath.Dir(at)
	}
	data, err := os.ReadFile(filepath.Join(at, "queue", "scheduler"))
	if err != nil {
		return "", "", err
	}
	// "none [mq-deadline] kyber bfq", or "none" alone.
	text := strings.TrimSpace(string(data))
	if _, after, chosen := strings.Cut(text, "["); chosen {
		text, _, _ = strings.Cut(after, "]")
	}
	return filepath.Base(at), text, nil
}
