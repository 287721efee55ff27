package state

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/mattn/go-sqlite3"

	"ispctl"
	"ispctl/meter"
)

//go:embed usage/*.sql
var usageMigrations embed.FS

// Usage is the open database of what was metered. It is safe for use by several
// goroutines, and by several processes: a reading is booked in one transaction.
type Usage struct {
	write *sql.DB // one connection
	read  *sql.DB
	path  string

	// What the last booking left, so that the next one need not read it. It is
	// of use only if nobody else has booked since.
	mu     sync.Mutex
	seq    int64
	ledger *meter.Ledger
	meters map[meterKey]knownMeter
	owned  map[meter.Source]ownedMeter // by source, as it was asked for last
}

// OpenUsage opens the usage database of an installation, and makes it when
// there is none. It is committed as durably as intent is: what was booked
// cannot be read from a counter again.
func OpenUsage(ctx context.Context, paths ispctl.Paths) (*Usage, error) {
	path := paths.Usage()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("usage database: %w", err)
	}
	write, err := connect(path, "_txlock=immediate&_synchronous=FULL")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	files, err := fs.Sub(usageMigrations, "usage")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	if _, err := migrate(ctx, write, path, files); err != nil {
		return nil, errors.Join(damaged(path, err), write.Close())
	}
	read, err := connect(path, "mode=ro&_query_only=1")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &Usage{write: write, read: read, path: path}, nil
}

// Close closes the database.
func (u *Usage) Close() error { return errors.Join(u.read.Close(), u.write.Close()) }

// backupSuffix ends the name of the copy that is made once a day.
const backupSuffix = ".yesterday"

// Waits reports whether an error of the books may pass by itself: there is no
// room, or another process is at them. What could not be booked can be later.
func Waits(err error) bool {
	e, ok := errors.AsType[sqlite3.Error](err)
	return ok && slices.Contains([]sqlite3.ErrNo{sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrReadonly, sqlite3.ErrCantOpen}, e.Code)
}

// damaged says what to do about a file that is no database any more.
func damaged(path string, err error) error {
	e, ok := errors.AsType[sqlite3.Error](err)
	switch {
	case !ok:
		return err
	case e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB:
		next := "move it away, and counting begins anew; there is no backup"
		if _, statErr := os.Stat(path + backupSuffix); statErr == nil {
			next = "end serve, move it away with its -wal and -shm, and copy " + path + backupSuffix + " in its place: what passed since then is read from the counters, which went on"
		}
		return &ispctl.Error{Kind: ispctl.Failed, Object: "usage database " + path, Cause: "is damaged", Err: err, Next: next}
	case e.Code == sqlite3.ErrFull || e.Code == sqlite3.ErrIoErr:
		return &ispctl.Error{
			Kind: ispctl.Failed, Object: "usage database " + path, Cause: "cannot be written", Err: err,
			Next: "make room; nothing is lost meanwhile: the kernel goes on counting",
		}
	}
	return err
}
