package state

import (
	"context"
	"errors"
	"fmt"
)

// Fault is a place where the journal is not what was written.
type Fault struct {
	ID  int64 // of the row at which it shows; 0: none
	Why string
}

// Verdict is what became of the journal.
type Verdict struct {
	Rows   int
	Head   Head    // the newest row
	Faults []Fault // none: every row is as it was written, and none is missing before the newest
	Behind int     // rows that the file of the head does not know yet, as after a power cut
}

// VerifyJournal follows the chain from the first row to the newest, and compares
// it with the file of the head and, if one is given, with a head that was kept
// elsewhere. After a fault the chain is followed on from the row as it stands, so
// that each fault is told once.
func (s *Store) VerifyJournal(ctx context.Context, kept *Head) (Verdict, error) {
	var v Verdict
	var before JournalRow
	fault := func(id int64, format string, args ...any) {
		v.Faults = append(v.Faults, Fault{id, fmt.Sprintf(format, args...)})
	}
	file, err := s.JournalHead()
	if err != nil {
		fault(0, "%v", err)
	}
	heads := []*headCheck{{name: "the file of the head", head: file}}
	if kept != nil {
		heads = append(heads, &headCheck{name: "the head that was given", head: *kept})
	}
	err = s.EachRow(ctx, func(r JournalRow) error {
		if r.ID != before.ID+1 {
			fault(r.ID, "row %d follows row %d: rows are missing in between", r.ID, before.ID)
		}
		if want := r.link(before.Hash); r.Hash != want {
			fault(r.ID, "row %d is not the one that was written after row %d: it was changed, or the one before it was", r.ID, before.ID)
		}
		for _, h := range heads {
			h.see(r)
		}
		before = r
		v.Rows++
		return nil
	})
	if e, is := errors.AsType[unreadableError](err); is {
		fault(before.ID+1, "the row after row %d cannot be read, nor what follows: %v", before.ID, e.error)
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.Head = Head{ID: before.ID, Hash: before.Hash, At: before.At}
	for _, h := range heads {
		if why := h.verdict(before.ID); why != "" {
			fault(before.ID, "%s", why)
		}
	}
	if file.ID > 0 && file.ID < before.ID {
		v.Behind = int(before.ID - file.ID)
	}
	if file.ID == 0 && v.Rows > 0 && len(v.Faults) == 0 {
		fault(0, "the file of the head is missing: whether the newest rows were cut off cannot be told")
	}
	var last int64
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'journal'`).Scan(&last); err != nil {
		return v, fmt.Errorf("read journal: %w", err)
	}
	if last != before.ID {
		fault(before.ID, "the newest row is %d, and %d was the last number given out", before.ID, last)
	}
	return v, nil
}

// headCheck looks for a row that was the newest once.
type headCheck struct {
	name  string
	head  Head
	found bool
	other bool // a row with its number, and another hash
}

func (h *headCheck) see(r JournalRow) {
	if r.ID == h.head.ID {
		h.found, h.other = true, r.Hash != h.head.Hash
	}
}

func (h *headCheck) verdict(newest int64) string {
	switch {
	case h.head.ID == 0:
		return ""
	case !h.found && h.head.ID > newest:
		return fmt.Sprintf("%s names row %d, and the newest is %d: the journal was cut off", h.name, h.head.ID, newest)
	case !h.found:
		return fmt.Sprintf("%s names row %d, which is missing", h.name, h.head.ID)
	case h.other:
		return fmt.Sprintf("%s has another hash for row %d: the rows up to it were written anew", h.name, h.head.ID)
	}
	return ""
}
