package ispctl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrorKind sorts errors by what the caller can do about them. The command
// line turns each kind into one exit code; nothing else branches on text.
type ErrorKind int

// The kinds, with the exit code each one becomes.
const (
	Failed     ErrorKind = iota // 1: it was tried and did not work
	Usage                       // 2: the input is wrong; nothing was tried
	NotFound                    // 3: no such object
	Permission                  // 4: not root, or not this caller's object
	Conflict                    // 5: taken, in use, or locked by another ispctl
	TimedOut                    // 6: it may still come to pass
)

// Error names the object, the cause and the next step, in that order. Every
// error that reaches an operator is one, or wraps one.
type Error struct {
	Kind   ErrorKind
	Object string // `zone "dmz"`; may be empty
	Cause  string // lower case, no full stop
	Next   string // what to do now; may be empty
	Err    error  // the underlying error; may be nil
}

// Error formats as `OBJECT: CAUSE: UNDERLYING; NEXT`, and as `OBJECT not found`
// where that is the cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Object)
	switch {
	case e.Object == "" || e.Cause == "":
	case strings.HasPrefix(e.Cause, "not found"):
		b.WriteString(" ")
	default:
		b.WriteString(": ")
	}
	b.WriteString(e.Cause)
	if e.Err != nil {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	if e.Next != "" {
		b.WriteString("; ")
		b.WriteString(e.Next)
	}
	return b.String()
}

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first [Error] in err's tree, or [Failed].
func KindOf(err error) ErrorKind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Failed
}

// NotFoundError says that no object of that kind has the name, and lists the
// names there are.
func NotFoundError[N ~string](kind, name string, have []N) error {
	list := "have none"
	if len(have) > 0 {
		names := make([]string, len(have))
		for i, n := range have {
			names[i] = string(n)
		}
		list = "have: " + strings.Join(names, ", ")
	}
	return &Error{
		Kind: NotFound, Object: kind + " " + strconv.Quote(name),
		Cause: "not found (" + list + ")", Next: "see: ispctl " + kind + " list",
	}
}

// Invalid says that the object as given cannot be, and why.
func Invalid(kind, name, format string, args ...any) error {
	return &Error{Kind: Usage, Object: object(kind, name), Cause: fmt.Sprintf(format, args...)}
}

// Conflicting says that the object cannot be made, changed or removed because
// of another one, which the text must name.
func Conflicting(kind, name, format string, args ...any) error {
	return &Error{Kind: Conflict, Object: object(kind, name), Cause: fmt.Sprintf(format, args...)}
}

func object(kind, name string) string {
	if name == "" {
		return kind
	}
	return kind + " " + strconv.Quote(name)
}
