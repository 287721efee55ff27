package ispctl

import "strings"

// Name is the name of a zone, VM, plan, template or tenant: one lower-case DNS
// label that starts with a letter (RFC 1035, section 2.3.1), so that it can be
// a host name, a file name and part of an interface name without quoting.
type Name string

// maxLabel is the longest DNS label in bytes (RFC 1035, section 2.3.4).
const maxLabel = 63

// ParseName validates s as the name of a kind of object ("zone", "vm", ...).
// The error is of kind [Usage] and names the rule that s breaks.
func ParseName(kind, s string) (Name, error) {
	if why := labelFault(s); why != "" {
		return "", &Error{
			Kind: Usage, Object: object(kind, s), Cause: why,
			Next: "use a DNS label: a letter, then letters, digits and hyphens, at most 63 bytes, lower case",
		}
	}
	return Name(s), nil
}

// labelFault says what keeps s from being a DNS label, or "".
func labelFault(s string) string {
	switch {
	case s == "":
		return "the name is empty"
	case len(s) > maxLabel:
		return "the name is longer than 63 bytes"
	case s[0] < 'a' || s[0] > 'z':
		return "the name does not start with a lower-case letter"
	case strings.HasSuffix(s, "-"):
		return "the name ends with a hyphen"
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return "the name has a character that is no lower-case letter, digit or hyphen"
		}
	}
	return ""
}
