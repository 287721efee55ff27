package state

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"
)

// chainVersion is the place of the migration among those of migrations/.
const chainVersion = 13

// chain adds to the journal who asked, and chains its rows. SQL has no hash, so
// it is a program.
func chain() *goose.Migration {
	return goose.NewGoMigration(chainVersion, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		for _, column := range []string{
			`uid INTEGER NOT NULL DEFAULT -1`, `role TEXT NOT NULL DEFAULT ''`, `source TEXT NOT NULL DEFAULT ''`, `hash TEXT NOT NULL DEFAULT ''`,
		} {
			if _, err := tx.ExecContext(ctx, `ALTER TABLE journal ADD COLUMN `+column); err != nil {
				return err
			}
		}
		return chainAll(ctx, tx)
	}}, nil)
}
