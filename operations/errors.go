package operations

import (
	"fmt"
	"strconv"
	"strings"

	"ispctl"
)

// exists is the error of making what is there, or none where that is fine.
func exists(kind, name string, fine bool) error {
	if fine {
		return nil
	}
	return &ispctl.Error{
		Kind: ispctl.Conflict, Object: kind + " " + strconv.Quote(name), Cause: "is there already",
		Next: "see: ispctl " + kind + " list (or use --if-not-exists)",
	}
}

// missing is the error of removing what is not there, or none where that is
// fine.
func missing(err error, fine bool) error {
	if fine && ispctl.KindOf(err) == ispctl.NotFound {
		return nil
	}
	return err
}

// inUse says who still needs the object.
func inUse[N ~string](kind, name, by string, users []N, next string) error {
	names := make([]string, len(users))
	for i, u := range users {
		names[i] = string(u)
	}
	return &ispctl.Error{
		Kind: ispctl.Conflict, Object: kind + " " + strconv.Quote(name),
		Cause: fmt.Sprintf("is in use by %s %s", by, strings.Join(names, ", ")), Next: next,
	}
}
