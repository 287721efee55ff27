package ispctl_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"ispctl"
)

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  ispctl.Error
		want string
	}{
		{"all of it", ispctl.Error{Object: `zone "a"`, Cause: "is odd", Err: io.EOF, Next: "mend it"}, `zone "a": is odd: EOF; mend it`},
		{"cause", ispctl.Error{Cause: "is odd"}, "is odd"},
		{"object and cause", ispctl.Error{Object: "vm", Cause: "is odd"}, "vm: is odd"},
		{"object and error", ispctl.Error{Object: "vm", Err: io.EOF}, "vm: EOF"},
		{"error", ispctl.Error{Err: io.EOF}, "EOF"},
		{"not found", ispctl.Error{Object: "vm", Cause: "not found (have none)"}, "vm not found (have none)"},
		{"error and next", ispctl.Error{Err: io.EOF, Next: "try again"}, "EOF; try again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("want %q, have %q", tt.want, got)
			}
			if errors.Is(&tt.err, io.EOF) != (tt.err.Err != nil) {
				t.Error("the underlying error is not found, or made up")
			}
		})
	}
}

func TestKindOf(t *testing.T) {
	conflict := ispctl.Conflicting("vm", "a", "is odd")
	for _, tt := range []struct {
		name string
		err  error
		want ispctl.ErrorKind
	}{
		{"foreign", io.EOF, ispctl.Failed},
		{"none", nil, ispctl.Failed},
		{"ours", conflict, ispctl.Conflict},
		{"wrapped", fmt.Errorf("x: %w", conflict), ispctl.Conflict},
		{"joined", errors.Join(io.EOF, conflict), ispctl.Conflict},
		{"the outermost counts", &ispctl.Error{Kind: ispctl.TimedOut, Err: conflict}, ispctl.TimedOut},
		{"invalid", ispctl.Invalid("vm", "a", "is odd"), ispctl.Usage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ispctl.KindOf(tt.err); got != tt.want {
				t.Errorf("want %d, have %d", tt.want, got)
			}
		})
	}
}

func TestNotFoundListsNames(t *testing.T) {
	err := ispctl.NotFoundError("zone", "web", []ispctl.Name{"dmz", "mail"})
	if want := `zone "web" not found (have: dmz, mail); see: ispctl zone list`; err.Error() != want {
		t.Errorf("want %q, have %q", want, err)
	}
	err = ispctl.NotFoundError("zone", "web", []ispctl.Name(nil))
	if want := `zone "web" not found (have none); see: ispctl zone list`; err.Error() != want {
		t.Errorf("want %q, have %q", want, err)
	}
}
