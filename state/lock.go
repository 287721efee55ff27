package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"ispctl"
)

// lockPoll is how often a held lock is tried again.
const lockPoll = 50 * time.Millisecond

// Lock takes the host lock: of all who change this installation, one at a
// time. It waits as long as wait, then fails with a conflict. The lock goes
// with the process, however it ends.
func Lock(ctx context.Context, paths ispctl.Paths, wait time.Duration) (unlock func() error, err error) {
	path := paths.Lock()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("host lock: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("host lock %s: %w", path, err)
	}
	lock := flock.New(path)
	// Once at least: who does not want to wait still gets a lock that is free.
	ok, err := lock.TryLock()
	if err == nil && !ok {
		waiting, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		_, err = lock.TryLockContext(waiting, lockPoll)
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, &ispctl.Error{
			Kind: ispctl.Conflict, Object: "host lock " + path,
			Cause: fmt.Sprintf("another ispctl has been at work for %s", wait),
			Next:  "try again when it is done (`fuser " + path + "` names it), or wait longer with --lock-timeout",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("host lock %s: %w", path, err)
	}
	return lock.Unlock, nil
}
