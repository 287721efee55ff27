package state

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"time"
)

// Asker is who stands behind a command line, as far as the kernel or the
// gateway has told it.
type Asker struct {
	UID    int    // -1: no user of this host
	Role   string // operator, auditor or tenant; empty in rows from before roles
	Source string // by which way: command, socket, serve, gateway ADDRESS KEY
}

// JournalRow is a row of the journal, as it is chained.
type JournalRow struct {
	ID int64
	JournalEntry
	Asker
	Hash string // SHA-256 of the row before and this one, in hex
}

// chainLabel begins what is hashed, so that no other use of SHA-256 can be taken
// for a link of the chain.
const chainLabel = "ispctl journal row, version 1"

// link is the hash of a row that follows the one with the hash before. Every
// field is preceded by its length: no two rows are the same bytes.
func (r JournalRow) link(before string) string {
	h := sha256.New()
	for _, field := range []string{
		chainLabel, before, strconv.FormatInt(r.ID, 10), stamp(r.At), r.Actor, strconv.Itoa(r.UID), r.Role, r.Source, r.Operation, r.Object, r.Detail,
	} {
		writeField(h, field)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func writeField(h hash.Hash, field string) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(field)))
	h.Write(length[:]) // a hash never fails
	h.Write([]byte(field))
}

// journal appends a row. The transaction holds the database's write lock from
// its beginning, so that nobody appends in between.
func (t *Tx) journal(e Entry) (JournalRow, error) {
	r := JournalRow{JournalEntry: JournalEntry{Entry: e, At: t.Now}, Asker: t.store.Asker}
	before, err := lastRow(t.ctx, t.tx)
	if err != nil {
		return r, err
	}
	// Numbers go on even if the newest rows were taken away.
	if err := t.tx.QueryRowContext(t.ctx, `SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'journal'`).Scan(&r.ID); err != nil {
		return r, err
	}
	r.Hash = r.link(before.Hash)
	return r, insertRow(t.ctx, t.tx, r)
}

func insertRow(ctx context.Context, tx *sql.Tx, r JournalRow) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO journal (id, at, actor, uid, role, source, operation, object, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, stamp(r.At), r.Actor, r.UID, r.Role, r.Source, r.Operation, r.Object, r.Detail, r.Hash)
	return err
}

const rowColumns = `id, at, actor, uid, role, source, operation, object, detail, hash`

func scanRow(row scanner) (r JournalRow, err error) {
	err = row.Scan(&r.ID, text{&r.At}, &r.Actor, &r.UID, &r.Role, &r.Source, &r.Operation, &r.Object, &r.Detail, &r.Hash)
	return r, err
}

// lastRow is the newest row; of none, the zero one.
func lastRow(ctx context.Context, q querier) (JournalRow, error) {
	r, err := scanRow(q.QueryRowContext(ctx, `SELECT `+rowColumns+` FROM journal ORDER BY id DESC LIMIT 1`))
	if errors.Is(err, sql.ErrNoRows) {
		return JournalRow{}, nil
	}
	return r, err
}

// EachRow hands over the rows of the journal from the first on, until fn fails.
func (s *Store) EachRow(ctx context.Context, fn func(JournalRow) error) error {
	err := s.eachRow(ctx, fn)
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	return nil
}

// unreadableError is a row that nobody of ours has written.
type unreadableError struct{ error }

func (s *Store) eachRow(ctx context.Context, fn func(JournalRow) error) error {
	rows, err := s.read.QueryContext(ctx, `SELECT `+rowColumns+` FROM journal ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has it
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return unreadableError{err}
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Rows are the newest rows, newest last; without a limit all of them.
func (s *Store) Rows(ctx context.Context, limit int) ([]JournalRow, error) {
	var all []JournalRow
	err := s.EachRow(ctx, func(r JournalRow) error {
		all = append(all, r)
		if limit > 0 && len(all) > 2*limit {
			all = append([]JournalRow{}, all[len(all)-limit:]...)
		}
		return nil
	})
	if limit > 0 && len(all) > limit {
		all = all[len(all)-limit:]
	}
	return all, err
}

// chainAll gives the rows of a journal from before the chain their hashes.
func chainAll(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT `+rowColumns+` FROM journal ORDER BY id`)
	if err != nil {
		return err
	}
	var all []JournalRow
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return errors.Join(err, rows.Close())
		}
		all = append(all, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	before := ""
	for _, r := range all {
		before = r.link(before)
		// Their times are as they were written: what is hashed is what is read.
		if _, err := tx.ExecContext(ctx, `UPDATE journal SET hash = ? WHERE id = ?`, before, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// Head is the newest row as it is kept outside the database.
type Head struct {
	ID   int64     `json:"id"`
	Hash string    `json:"hash"`
	At   time.Time `json:"at"`
}
