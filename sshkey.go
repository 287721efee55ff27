package ispctl

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// sshKeyTypes are the algorithms of RFC 4253, 5656, 8709 and OpenSSH's
// PROTOCOL.u2f that an authorized_keys line may begin with.
var sshKeyTypes = map[string]bool{
	"ssh-ed25519": true, "ssh-rsa": true,
	"ecdsa-sha2-nistp256": true, "ecdsa-sha2-nistp384": true, "ecdsa-sha2-nistp521": true,
	"sk-ssh-ed25519@openssh.com": true, "sk-ecdsa-sha2-nistp256@openssh.com": true,
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
	if len(fields) < 2 || !sshKeyTypes[fields[0]] {
		return "", Invalid("ssh key", "", "does not start with a known key type such as ssh-ed25519 (options are not taken)")
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return "", Invalid("ssh key", "", "is not base64 after its type")
	}
	if name, ok := sshString(blob); !ok || name != fields[0] {
		return "", Invalid("ssh key", "", "says %s and holds another type", fields[0])
	}
	key := fields[0] + " " + fields[1]
	if comment := printable(strings.Join(fields[2:], " ")); comment != "" {
		key += " " + comment
	}
	return key, nil
}

// sshString reads the first length-prefixed string of an SSH wire blob.
func sshString(blob []byte) (string, bool) {
	if len(blob) < 4 {
		return "", false
	}
	n := binary.BigEndian.Uint32(blob)
	if uint64(n) > uint64(len(blob)-4) {
		return "", false
	}
	return string(blob[4 : 4+n]), true
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
