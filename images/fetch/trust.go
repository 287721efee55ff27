package fetch

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"ispctl"
)

// sumPattern is a sha256 or a sha512 in hex.
var sumPattern = regexp.MustCompile(`^(?:[0-9a-f]{64}|[0-9a-f]{128})$`)

// IsSum reports whether a text is a sha256 or a sha512 in lower-case hex.
func IsSum(text string) bool { return sumPattern.MatchString(text) }

// FindSum finds a file's checksum in a list as sha256sum(1) and sha512sum(1) print
// it, with or without --tag, or in a file with one checksum and nothing else.
// Two different ones of one name are an error.
func FindSum(list []byte, name string) (string, error) {
	var found []string
	lines := bufio.NewScanner(bytes.NewReader(list))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		sum, file, two := strings.Cut(line, " ")
		file = strings.TrimPrefix(strings.TrimSpace(file), "*")
		if rest, tagged := strings.CutPrefix(strings.TrimPrefix(line, "SHA512"), " ("); tagged && two {
			file, sum, _ = strings.Cut(rest, ") = ")
		} else if rest, tagged := strings.CutPrefix(strings.TrimPrefix(line, "SHA256"), " ("); tagged && two {
			file, sum, _ = strings.Cut(rest, ") = ")
		}
		sum = strings.ToLower(sum)
		if IsSum(sum) && (!two || path.Base(file) == name) && !slices.Contains(found, sum) {
			found = append(found, sum)
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", refused("the list of checksums has %d for %q, not one", len(found), name)
	}
	return found[0], nil
}

// Verify checks a detached OpenPGP signature, armored or not, by a keyring,
// armored or not, and returns the fingerprint of the key whose it is. If
// fingerprints are given, only keys of theirs count: then the keyring itself may
// come from anywhere.
func Verify(keyring []byte, fingerprints []string, signed io.Reader, signature []byte) (string, error) {
	keys, err := readKeys(keyring)
	if err != nil {
		return "", badSignature("the keyring cannot be read: %v", err)
	}
	if len(fingerprints) > 0 {
		keys = slices.DeleteFunc(keys, func(e *openpgp.Entity) bool { return !slices.Contains(fingerprints, fingerprint(e)) })
	}
	if len(keys) == 0 {
		return "", badSignature("the keyring has no key %s", strings.Join(fingerprints, " or "))
	}
	var packets io.Reader = bytes.NewReader(signature)
	if isArmored(signature) {
		block, err := armor.Decode(packets)
		if err != nil {
			return "", badSignature("it cannot be read: %v", err)
		}
		if block.Type != openpgp.SignatureType {
			return "", badSignature("it is a %q", block.Type)
		}
		packets = block.Body
	}
	_, signer, err := openpgp.VerifyDetachedSignature(keys, signed, packets, &packet.Config{})
	if err != nil {
		return "", badSignature("%v", err)
	}
	return fingerprint(signer), nil
}

func badSignature(format string, args ...any) error {
	return &ispctl.Error{Kind: ispctl.Failed, Object: "signature", Cause: "does not hold: " + fmt.Sprintf(format, args...)}
}

func readKeys(keyring []byte) (openpgp.EntityList, error) {
	if isArmored(keyring) {
		return openpgp.ReadArmoredKeyRing(bytes.NewReader(keyring))
	}
	return openpgp.ReadKeyRing(bytes.NewReader(keyring))
}

func isArmored(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN PGP "))
}

func fingerprint(e *openpgp.Entity) string {
	return strings.ToUpper(hex.EncodeToString(e.PrimaryKey.Fingerprint))
}
