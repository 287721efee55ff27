package templates

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"

	"ispctl"
)

// hostKeyType is the one kind of host key that guests are given.
const hostKeyType = "ssh-ed25519"

// HostKeyLine is the public half of a host key, as `ssh-ed25519 BASE64`.
func HostKeyLine(public ed25519.PublicKey) string {
	return hostKeyType + " " + base64.StdEncoding.EncodeToString(hostKeyBlob(public))
}

func hostKeyBlob(public ed25519.PublicKey) []byte {
	return sshString(sshString(nil, []byte(hostKeyType)), public)
}

// sshString appends a string as RFC 4251 (5) writes it.
func sshString(b, s []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// openSSHKey is a private key as OpenSSH has it in a file (PROTOCOL.key of its
// source), without a passphrase. What is random there, to tell a wrong passphrase
// by, is made of the key: the same key gives the same bytes.
func openSSHKey(key ed25519.PrivateKey, comment string) []byte {
	public := key.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(key)
	private := append(append([]byte{}, sum[:4]...), sum[:4]...)
	private = sshString(private, []byte(hostKeyType))
	private = sshString(private, public)
	private = sshString(private, key)
	private = sshString(private, []byte(comment))
	for pad := byte(1); len(private)%8 != 0; pad++ {
		private = append(private, pad)
	}
	b := []byte("openssh-key-v1\x00")
	b = sshString(b, []byte("none")) // cipher
	b = sshString(b, []byte("none")) // key derivation
	b = sshString(b, nil)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = sshString(b, hostKeyBlob(public))
	b = sshString(b, private)
	return pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: b})
}

// dropbearKey is a private key as dropbear has it in a file.
func dropbearKey(key ed25519.PrivateKey) []byte {
	return sshString(sshString(nil, []byte(hostKeyType)), key)
}

// The names of the host key's files in a seed.
const (
	hostKeyFile     = "ispctl/host_key"
	hostKeyPublic   = "ispctl/host_key.pub"
	hostKeyDropbear = "ispctl/host_key.db"
)

// hostKeyFiles adds the host key, as far as it is given: what is only shown has
// no private half.
func hostKeyFiles(in SeedInput, files map[string][]byte) {
	if in.HostKey == "" {
		return
	}
	files[hostKeyPublic] = []byte(in.HostKey + " root@" + in.Hostname + "\n")
	if in.Private != nil {
		files[hostKeyFile] = openSSHKey(in.Private, "root@"+in.Hostname)
		files[hostKeyDropbear] = dropbearKey(in.Private)
	}
}

// checkHostKey refuses halves that do not belong together.
func (in SeedInput) checkHostKey() error {
	if in.HostKey == "" && in.Private == nil {
		return nil
	}
	key, err := ispctl.ParseSSHKey(in.HostKey)
	if err != nil {
		return err
	}
	if key != in.HostKey || len(key) != len(HostKeyLine(make([]byte, ed25519.PublicKeySize))) {
		return ispctl.Invalid("host key", in.HostKey, "is no public key of type %s alone", hostKeyType)
	}
	if in.Private != nil && (len(in.Private) != ed25519.PrivateKeySize || HostKeyLine(in.Private.Public().(ed25519.PublicKey)) != key) {
		return ispctl.Invalid("host key", in.HostKey, "has a private half of another key")
	}
	return nil
}
