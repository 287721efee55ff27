package ispctl

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// sshKeyTypes are the algorithms of RFC 4253, 5656, 8709 and OpenSSH's
// PROTOCOL.u2f that an authorized_keys line may begin with, and of how many
// strings their blobs consist.
var sshKeyTypes = map[string]int{
	"ssh-ed25519": 2, "ssh-rsa": 3,
	"ecdsa-sha2-nistp256": 3, "ecdsa-sha2-nistp384": 3, "ecdsa-sha2-nistp521": 3,
	"sk-ssh-ed25519@openssh.com": 3, "sk-ecdsa-sha2-nistp256@openssh.com": 4,
}

// ParseSSHKey reads one public key as in an authorized_keys line without
// options, and returns it as `TYPE BASE64 [COMMENT]`. Options are refused: a
// key that forces a command is not what "give this key root" means.
func ParseSSHKey(s string) (string, error) {
	line := strings.TrimRight(s, "\r\n")
	if strings.ContainsAny(line, "\r\n\x00") {
		return "", Invalid("ssh key", "", "has more than one line")
	}
	fields := strings.Fields(line)
	if len(fields) < 2 || sshKeyTypes[fields[0]] == 0 {
		return "", Invalid("ssh key", "", "does not start with a known key type such as ssh-ed25519 (options are not taken)")
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return "", Invalid("ssh key", "", "is not base64 after its type")
	}
	parts, whole := sshStrings(blob)
	if len(parts) == 0 || parts[0] != fields[0] {
		return "", Invalid("ssh key", "", "says %s and holds another type", fields[0])
	}
	if !whole || len(parts) != sshKeyTypes[fields[0]] {
		return "", Invalid("ssh key", "", "is cut short or has something appended")
	}
	key := fields[0] + " " + fields[1]
	// Words anew: what is left of "a \u00e9 b" is two, with one space.
	if comment := strings.Fields(printable(strings.Join(fields[2:], " "))); len(comment) > 0 {
		key += " " + strings.Join(comment, " ")
	}
	return key, nil
}

// sshStrings reads the length-prefixed strings of an SSH wire blob, and tells
// whether they are all of it.
func sshStrings(blob []byte) (parts []string, whole bool) {
	for len(blob) >= 4 {
		n := binary.BigEndian.Uint32(blob)
		if uint64(n) > uint64(len(blob)-4) {
			return parts, false
		}
		parts = append(parts, string(blob[4:4+n]))
		blob = blob[4+n:]
	}
	return parts, len(blob) == 0
}

// printable keeps the printable ASCII of a comment.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}
