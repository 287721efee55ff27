package libvirtd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"ispctl"
)

// domainDir is the names of the directories that the driver makes for a start,
// domain-ID-NAME, and removes at its end.
var domainDir = regexp.MustCompile(`^domain-([0-9]+)-`)

// clearCutOff takes away what starts have left that were cut off.
func clearCutOff(paths ispctl.Paths) error {
	starts, err := readStatuses(paths)
	if err != nil {
		return err
	}
	cleared, err := clearHalfway(paths, starts)
	if err == nil && cleared { // which takes its time, in which another process can have been there
		starts, err = readStatuses(paths)
	}
	if err != nil {
		return err
	}
	return clearLeftover(paths, starts)
}

// clearLeftover removes the directories of starts that were cut off before the
// driver had written down that there was one: it never looks for them, and each
// start has another number. With them go files that were not written to their end.
//
// It must not run while the driver does, in this process or in another one.
func clearLeftover(paths ispctl.Paths, starts map[string]status) error {
	if lockHolder(driverLock(paths)) != 0 {
		return nil
	}
	live := map[string]bool{}
	for _, s := range starts {
		live[s.ID] = true
	}
	for _, parent := range []string{"lib/qemu", "lib/qemu/channel/target", "run/qemu/channel", "run/qemu/dbus", "cache/qemu"} {
		dir := filepath.Join(paths.Embed(), parent)
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look for what starts have left: %w", err)
		}
		for _, e := range entries {
			match := domainDir.FindStringSubmatch(e.Name())
			if match == nil || live[match[1]] {
				continue
			}
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("remove what a start that was cut off has left: %w", err)
			}
		}
	}
	return errors.Join(clearUnwritten(paths), clearQuestions(paths))
}

// clearQuestions ends each QEMU that was asked what it can do, which waits for
// more questions, and removes the directory with its socket.
func clearQuestions(paths ispctl.Paths) error {
	dirs, err := filepath.Glob(filepath.Join(paths.Embed(), "lib", "qemu", "qmp-*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := end(filepath.Join(dir, "qmp.pid")); err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove what a question that was cut off has left: %w", err)
		}
	}
	return nil
}

// clearUnwritten removes what the driver was about to put in the place of a file
// when it was killed: it writes FILE.new, and renames it.
func clearUnwritten(paths ispctl.Paths) error {
	for _, dir := range []string{"run/qemu", "etc/qemu"} {
		files, err := filepath.Glob(filepath.Join(paths.Embed(), dir, "*.xml.new"))
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove what a write that was cut off has left: %w", err)
			}
		}
	}
	return nil
}
