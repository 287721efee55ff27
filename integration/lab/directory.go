package lab

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// runPattern names the directories of runs, in the cache's; lockFile is locked
// as long as the run lives.
const (
	runPattern = "run-*"
	lockFile   = "lock"
)

// directory makes the directory of a run, locked for as long as it lives. What
// it returns removes it.
func (r *run) directory() (release func(), err error) {
	r.mark = "lab:" + rand.Text()
	if r.dir, err = os.MkdirTemp(r.o.CacheDir, runPattern); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(r.dir, lockFile))
	if err := lock.Lock(); err != nil {
		_ = os.RemoveAll(r.dir)
		return nil, err
	}
	return func() {
		_ = os.RemoveAll(r.dir)
		_ = lock.Close()
	}, nil
}

// sweep removes what runs have left that were killed: a directory without its
// lock. It is no more than tidiness, so it says nothing.
func sweep(cache string) {
	left, _ := filepath.Glob(filepath.Join(cache, runPattern)) // the pattern is a good one
	for _, dir := range left {
		// One just made need not have its lock yet.
		if st, err := os.Stat(dir); err != nil || time.Since(st.ModTime()) < time.Minute {
			continue
		}
		lock := flock.New(filepath.Join(dir, lockFile))
		if free, err := lock.TryLock(); err == nil && free {
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
}

// keepConsole leaves the console's log of the last run of each flavour.
func (r *run) keepConsole() {
	path := filepath.Join(r.o.CacheDir, r.flavour.Name+".console.log")
	if os.Rename(filepath.Join(r.dir, consoleFile), path) == nil {
		r.result.Console = path
	}
}

// used marks a system as used now.
func (s system) used() error {
	now := time.Now()
	return os.Chtimes(s.file(manifestFile), now, now)
}

// forget removes systems of a flavour that nobody has used for two weeks:
// recipes that were.
func forget(cache string, f Flavour) {
	all, _ := filepath.Glob(filepath.Join(cache, f.Name+"-*", manifestFile)) // the pattern is a good one
	for _, name := range all {
		if st, err := os.Stat(name); err == nil && time.Since(st.ModTime()) > 14*24*time.Hour {
			_ = os.RemoveAll(filepath.Dir(name))
		}
	}
}
