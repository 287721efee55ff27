package ispctl

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Fingerprint is what OpenSSH calls a public key in messages, `SHA256:...`; empty
// for what is none.
func Fingerprint(key string) string {
	fields := strings.Fields(key)
	if len(fields) < 2 {
		return ""
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
