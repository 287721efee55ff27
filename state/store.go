// Package state keeps intent, status and journal in one SQLite file. It is the
// only package that writes SQL. A change of intent is one transaction, and is
// refused unless the whole model that it would leave is valid; what a pass of
// converge made of it is status, and the journal says who asked.
//
// There is one writer and a pool of readers. Intent is committed with
// synchronous=FULL: once an operation has returned, a power cut does not undo
// the promise. See https://sqlite.org/pragma.html#pragma_synchronous.
package state

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
	"github.com/pressly/goose/v3"

	"ispctl"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is an open database. It is safe for use by several goroutines.
type Store struct {
	write *sql.DB // one connection
	read  *sql.DB
	inst  ispctl.Installation
	paths ispctl.Paths

	Asker Asker // who stands behind the changes made through it, for the journal
}

// Open opens the database of an installation, makes it when there is none, and
// brings its schema up to date; the file as it was is kept beside it first. A
// database of a newer ispctl is refused and left as it is.
func Open(ctx context.Context, inst ispctl.Installation, paths ispctl.Paths) (*Store, error) {
	path := paths.Database()
	if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Dir(path)), 0o755), makeDir(filepath.Dir(path)), private(path)); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	write, err := connect(path, "_txlock=immediate&_synchronous=FULL")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	chained, err := migrate(ctx, write, path, files, chain())
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read, err := connect(path, "mode=ro&_query_only=1")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	s := &Store{write: write, read: read, inst: inst, paths: paths, Asker: Asker{UID: -1}}
	if chained {
		if err := s.firstHead(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// makeDir makes the directory of the database one that others can pass, and not
// look into: guests, which run as users of their own, have files below it.
func makeDir(path string) error {
	if err := os.Mkdir(path, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(path, 0o711)
}

// private makes the file, which is empty to SQLite, so that only its owner reads
// it. What SQLite keeps beside it gets the same mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// Close closes the database.
func (s *Store) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

func connect(path, options string) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "_journal_mode=WAL&_busy_timeout=5000&_foreign_keys=on&" + options}
	db, err := sql.Open("sqlite3", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return db, nil
}

// migrate brings the schema to the newest of files, one process at a time: two
// would both find it old. It reports whether there was anything to do. The lock is the directory's, so that it leaves no file.
func migrate(ctx context.Context, db *sql.DB, path string, files fs.FS, more ...*goose.Migration) (done bool, err error) {
	lock := flock.New(filepath.Dir(path), flock.SetFlag(os.O_RDONLY))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return false, fmt.Errorf("database %s: lock its directory: %w", path, err)
	}
	defer lock.Unlock() //nolint:errcheck // it goes with the process
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithGoMigrations(more...))
	if err != nil {
		return false, fmt.Errorf("database %s: %w", path, err)
	}
	have, newest, err := p.GetVersions(ctx)
	if err != nil {
		return false, fmt.Errorf("database %s: %w", path, err)
	}
	switch {
	case have == newest:
		return false, nil
	case have > newest:
		return false, &ispctl.Error{
			Kind: ispctl.Failed, Object: "database " + path,
			Cause: fmt.Sprintf("has schema %d, and this ispctl knows up to %d", have, newest),
			Next:  "use the newer ispctl that wrote it",
		}
	case have > 0:
		if err := backUp(ctx, db, fmt.Sprintf("%s.schema%d", path, have)); err != nil {
			return false, fmt.Errorf("database %s: back up before schema %d: %w", path, newest, err)
		}
	}
	if _, err := p.Up(ctx); err != nil {
		return false, fmt.Errorf("database %s: bring schema from %d to %d: %w", path, have, newest, err)
	}
	return true, nil
}

// backUp copies the database to a file, whole or not at all. One that is there
// is kept: it is from before the first attempt.
func backUp(ctx context.Context, db *sql.DB, file string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	half := file + ".tmp"
	if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := private(half); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", half); err != nil {
		return err
	}
	return os.Rename(half, file)
}
