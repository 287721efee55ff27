package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

// The head of the journal's chain is kept in a file as well: a chain whose
// newest rows were cut off is still a chain. The file is written after the
// commit, so that it is never ahead of the database; a power cut may leave it
// behind, and the next row brings it on.

// keepHead brings the file to a row. Two processes may come in any order: the
// newest stands.
func (s *Store) keepHead(r JournalRow) error {
	path := s.paths.JournalHead()
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("head of the journal: %w", err)
	}
	defer lock.Unlock() //nolint:errcheck // it goes with the process
	have, err := s.JournalHead()
	if err == nil && have.ID >= r.ID {
		return nil // one that cannot be read is replaced: verify has told of it by then, or the file is new
	}
	data, err := json.Marshal(Head{ID: r.ID, Hash: r.Hash, At: r.At})
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("head of the journal: %w", err)
	}
	return nil
}

// JournalHead reads the file; where there is none, it is the zero value.
func (s *Store) JournalHead() (Head, error) {
	var h Head
	data, err := os.ReadFile(s.paths.JournalHead())
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	if err != nil {
		return h, fmt.Errorf("head of the journal %s: %w", s.paths.JournalHead(), err)
	}
	return h, nil
}

// firstHead writes the file when the rows of an older database were chained.
func (s *Store) firstHead(ctx context.Context) error {
	last, err := lastRow(ctx, s.read)
	if err != nil || last.ID == 0 {
		return err
	}
	return s.keepHead(last)
}
