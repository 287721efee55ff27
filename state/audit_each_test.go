package state_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"ispctl"
	"ispctl/state"
)

// TestVerifyFindsAnyRow changes every column of every row of a journal with rows
// of all kinds, one at a time, and takes every row away: each is found, and with
// each undone nothing is.
func TestVerifyFindsAnyRow(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	askers := []state.Asker{
		{UID: 0, Role: "operator", Source: "command"},
		{UID: 1000, Role: "operator", Source: "socket"},
		{UID: 0, Role: "operator", Source: "serve"},
		{UID: -1, Role: "tenant", Source: "gateway 192.0.2.1 SHA256:x"},
		{},
	}
	operations := []string{"vm create", "vm destroy", "apply", "tenant handoff", "vpn peer rotate", "quota lift", "vm reset-password"}
	texts := []string{"", "x", "it's \"quoted\"; --", "two\nlines", "\x00\x01", "ü 漢", strings.Repeat("long ", 1000)}
	for i, operation := range operations {
		s.Asker = askers[i%len(askers)]
		if _, err := s.Update(t.Context(), state.Entry{Actor: texts[(i+1)%len(texts)], Operation: operation, Object: texts[(i+2)%len(texts)], Detail: texts[i]}, func(*state.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	dsn := url.URL{Scheme: "file", Opaque: ispctl.Paths{Root: root}.Database(), RawQuery: "_busy_timeout=5000"}
	db, err := sql.Open("sqlite3", dsn.String())
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	columns := columnsOf(t, db)
	if len(columns) < 10 {
		t.Fatalf("columns: %v", columns)
	}
	tamper := func(query string, args ...any) {
		t.Helper()
		r, err := db.ExecContext(t.Context(), query, args...)
		check(t, err)
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			t.Fatalf("%s: %d rows, %v", query, n, err)
		}
	}
	found := func(what string, want bool) {
		t.Helper()
		if v, said := verify(t, s, nil); len(v.Faults) > 0 != want {
			t.Errorf("%s: %+v %s", what, v, said)
		}
	}
	found("untouched", false)
	all := strings.Join(columns, ", ")
	for id := 1; id <= len(operations); id++ {
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		check(t, db.QueryRowContext(t.Context(), `SELECT `+all+` FROM journal WHERE id = ?`, id).Scan(into...))
		for i, column := range columns {
			other := any(fmt.Sprintf("%v.", row[i]))
			if n, is := row[i].(int64); is {
				other = n + 100
			}
			tamper(`UPDATE journal SET `+column+` = ? WHERE id = ?`, other, id)
			found(fmt.Sprintf("row %d has another %s", id, column), true)
			back := id
			if column == "id" {
				back += 100
			}
			tamper(`UPDATE journal SET `+column+` = ? WHERE id = ?`, row[i], back)
		}
		found(fmt.Sprintf("row %d as it was", id), false)
		tamper(`DELETE FROM journal WHERE id = ?`, id)
		found(fmt.Sprintf("row %d is missing", id), true)
		tamper(`INSERT INTO journal (`+all+`) VALUES (?`+strings.Repeat(", ?", len(columns)-1)+`)`, row...)
		found(fmt.Sprintf("row %d is back", id), false)
	}
}

// columnsOf are those of the journal, so that one that comes is tampered with too.
func columnsOf(t *testing.T, db *sql.DB) (columns []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT name FROM pragma_table_info('journal')`)
	check(t, err)
	defer rows.Close() //nolint:errcheck // it was only read
	for rows.Next() {
		var name string
		check(t, rows.Scan(&name))
		columns = append(columns, name)
	}
	check(t, rows.Err())
	return columns
}
