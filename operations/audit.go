package operations

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"ispctl"
	"ispctl/state"
)

// AuditView is a row of the journal as scripts see it.
type AuditView struct {
	ID        int64     `json:"id"`
	At        time.Time `json:"at"`
	Actor     string    `json:"actor"`
	UID       int       `json:"uid"` // -1: no user of this host
	Role      string    `json:"role"`
	Source    string    `json:"source"`
	Operation string    `json:"operation"`
	Object    string    `json:"object"`
	Detail    string    `json:"detail"`
	Hash      string    `json:"hash"`
}

func viewRow(r state.JournalRow) AuditView {
	return AuditView{
		ID: r.ID, At: r.At, Actor: r.Actor, UID: r.UID, Role: r.Role, Source: r.Source,
		Operation: r.Operation, Object: r.Object, Detail: r.Detail, Hash: r.Hash,
	}
}

// Audit lists the newest rows of the journal, newest last; 0: all.
func (p *Provider) Audit(ctx context.Context, limit int) ([]AuditView, error) {
	if limit < 0 {
		return nil, ispctl.Invalid("number of rows", strconv.Itoa(limit), "is less than none")
	}
	rows, err := p.Store.Rows(ctx, limit)
	views := make([]AuditView, len(rows))
	for i, r := range rows {
		views[i] = viewRow(r)
	}
	return views, err
}

// ExportAudit writes the whole journal, a line of JSON for each row.
func (p *Provider) ExportAudit(ctx context.Context, w io.Writer) error {
	enc := json.NewEncoder(w)
	return p.Store.EachRow(ctx, func(r state.JournalRow) error { return enc.Encode(viewRow(r)) })
}

// AuditVerdict is what became of the journal, as scripts see it.
type AuditVerdict struct {
	Rows   int      `json:"rows"`
	Head   string   `json:"head"`   // ID:HASH, to be kept elsewhere
	Behind int      `json:"behind"` // rows that the file of the head does not know yet
	Faults []string `json:"faults"`
}

// VerifyAudit looks whether the journal is as it was written. A head that was
// kept elsewhere, as ID:HASH, shows what this host alone cannot. With faults
// there is an error as well.
func (p *Provider) VerifyAudit(ctx context.Context, kept string) (AuditVerdict, error) {
	var head *state.Head
	if kept != "" {
		h, err := parseHead(kept)
		if err != nil {
			return AuditVerdict{}, err
		}
		head = &h
	}
	v, err := p.Store.VerifyJournal(ctx, head)
	if err != nil {
		return AuditVerdict{}, err
	}
	view := AuditVerdict{Rows: v.Rows, Head: fmt.Sprintf("%d:%s", v.Head.ID, v.Head.Hash), Behind: v.Behind, Faults: []string{}}
	for _, f := range v.Faults {
		view.Faults = append(view.Faults, f.Why)
	}
	if len(view.Faults) == 0 {
		return view, nil
	}
	return view, &ispctl.Error{
		Kind: ispctl.Failed, Object: "journal", Cause: fmt.Sprintf("is not as it was written, in %d places", len(view.Faults)),
		Next: "compare it with an export that was kept elsewhere (ispctl audit export)",
	}
}

// parseHead reads ID:HASH.
func parseHead(s string) (state.Head, error) {
	number, hash, _ := strings.Cut(s, ":")
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || id < 1 || len(hash) != 64 || strings.Trim(hash, "0123456789abcdef") != "" {
		return state.Head{}, &ispctl.Error{Kind: ispctl.Usage, Object: fmt.Sprintf("head %q", s), Cause: "is not ID:HASH", Next: "give what audit verify printed"}
	}
	return state.Head{ID: id, Hash: hash}, nil
}
