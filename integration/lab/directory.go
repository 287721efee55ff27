package lab

import (
	"crypto/rand"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// runPattern names the directories of runs, in the cache's.
const runPattern = "run-*"

// directory makes the directory of a run, locked for as long as it lives. What
// it returns removes it.
func (r *run) directory() (release func(), err error) {
	r.mark = "lab:" + rand.Text()
	if r.dir, err = os.MkdirTemp(r.o.CacheDir, runPattern); err != nil {
		return nil, err
	}
	lock := flock.New(r.dir)
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
		lock := flock.New(dir)
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
