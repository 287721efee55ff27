package gateway

import (
	"strings"

	"ispctl"
)

// The longest command, in bytes and in words.
const (
	maxCommand = 1024
	maxWords   = 16
)

// Words are a command's, as they are: between blanks. No command has need of
// quotes, and what a shell would take for something else is refused.
func Words(command string) ([]string, error) {
	if len(command) > maxCommand {
		return nil, ispctl.Invalid("command", "", "is longer than %d bytes", maxCommand)
	}
	for _, c := range []byte(command) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(" -_.:/=@,+", c) >= 0:
		default:
			return nil, &ispctl.Error{Kind: ispctl.Usage, Object: "command", Cause: "has a character that no command has: there is no shell here", Next: "see: help"}
		}
	}
	words := strings.Fields(command)
	if len(words) > maxWords {
		return nil, ispctl.Invalid("command", "", "has more than %d words", maxWords)
	}
	return words, nil
}
