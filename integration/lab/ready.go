package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// program is something that must be installed, and the Debian package it is in.
type program struct{ name, pkg string }

var (
	buildPrograms = [...]program{{"mmdebstrap", "mmdebstrap"}, {"bsdtar", "libarchive-tools"}, {"chroot", "coreutils"}}
	runPrograms   = [...]program{{"go", "golang-go"}, {qemu, "qemu-system-x86"}, {"mke2fs", "e2fsprogs"}, {"zstd", "zstd"}}
)

// needs names every program that is missing, with its package, at once.
func needs(programs ...program) error {
	var errs []error
	for _, p := range programs {
		if _, err := exec.LookPath(p.name); err != nil {
			errs = append(errs, fmt.Errorf("%s is not installed; run: apt-get install %s", p.name, p.pkg))
		}
	}
	return errors.Join(errs...)
}

// What there must be room for, in bytes: packages and what they unpack to, or
// the binaries of a run and the memory of a machine.
const (
	buildSpace = 2 << 30
	runSpace   = 1 << 30
)

func needsSpace(dir string, bytes uint64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if free := st.Bavail * uint64(st.Bsize); free < bytes {
		return fmt.Errorf("%s: %d MiB are free, %d are needed; free some, or name another directory", dir, free>>20, bytes>>20)
	}
	return nil
}

// kvmUsable tells whether a machine runs under KVM. The device alone proves
// nothing: it opens on hosts whose processor has no virtualisation to offer.
func kvmUsable() bool {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return false
	}
	flags := " " + strings.ReplaceAll(string(info), "\n", " ") + " "
	if !strings.Contains(flags, " vmx ") && !strings.Contains(flags, " svm ") {
		return false
	}
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	return err == nil && f.Close() == nil
}
