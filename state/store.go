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
}

// Open opens the database of an installation, makes it when there is none, and
// brings its schema up to date; the file as it was is kept beside it first. A
// database of a newer ispctl is refused and left as it is.
func Open(ctx context.Context, inst ispctl.Installation, paths ispctl.Paths) (*Store, error) {
	path := paths.Database()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	write, err := connect(path, "_txlock=immediate&_synchronous=FULL")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	if err := migrate(ctx, write, path); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read, err := connect(path, "mode=ro&_query_only=1")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &Store{write: write, read: read, inst: inst, paths: paths}, nil
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

func migrate(ctx context.Context, db *sql.DB, path string) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	have, newest, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	switch {
	case have == newest:
		return nil
	case have > newest:
		return &ispctl.Error{
			Kind: ispctl.Failed, Object: "database " + path,
			Cause: fmt.Sprintf("has schema %d, and this ispctl knows up to %d", have, newest),
			Next:  "use the newer ispctl that wrote it",
		}
	case have > 0:
		backup := fmt.Sprintf("%s.schema%d", path, have)
		if _, err := os.Stat(backup); err == nil {
			break
		}
		if _, err := db.ExecContext(ctx, "VACUUM INTO ?", backup); err != nil {
			return fmt.Errorf("database %s: back up before schema %d: %w", path, newest, err)
		}
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("database %s: bring schema from %d to %d: %w", path, have, newest, err)
	}
	return nil
}
