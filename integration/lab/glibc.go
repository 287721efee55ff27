package lab

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// runnable checks that the machine's C library has what the binaries want of
// it: they were linked with the host's, which may be newer.
func (p payload) runnable(bin string) error {
	entries, err := os.ReadDir(bin)
	if err != nil {
		return err
	}
	for _, e := range entries {
		wants, err := libcWanted(filepath.Join(bin, e.Name()))
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
		if newer(wants, p.libc) {
			return fmt.Errorf("a test binary wants version %s of the C library, and the machine has %s: run it from an older host", wants, p.libc)
		}
	}
	return nil
}

// libcWanted is the newest version of the C library that a binary names; empty
// for a static one.
func libcWanted(name string) (version string, err error) {
	f, err := elf.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	symbols, err := f.ImportedSymbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, s := range symbols {
		if v, ok := strings.CutPrefix(s.Version, "GLIBC_"); ok && newer(v, version) {
			version = v
		}
	}
	return version, nil
}

// newer compares the first two numbers of versions such as 2.36 and
// 2.41-12+deb13u1. What is no version is older than all.
func newer(a, b string) bool {
	var v [4]int
	_, _ = fmt.Sscanf(a, "%d.%d", &v[0], &v[1])
	_, _ = fmt.Sscanf(b, "%d.%d", &v[2], &v[3])
	return v[0] > v[2] || v[0] == v[2] && v[1] > v[3]
}
