package gateway

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	"golang.org/x/crypto/ssh"

	"ispctl"
)

// HostKey reads the key that the gateway proves itself by, and makes it where
// there is none. One that others could read is refused: it is nobody's secret.
func HostKey(path string) (ssh.Signer, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := makeHostKey(path); err != nil {
			return nil, fmt.Errorf("host key of the gateway: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("host key of the gateway: %w", err)
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0:
		return nil, &ispctl.Error{
			Kind: ispctl.Failed, Object: "host key of the gateway " + path, Cause: fmt.Sprintf("has mode %s: others can read it", info.Mode()),
			Next: "remove it, and tell tenants the new one (ispctl gateway show)",
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("host key of the gateway: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("host key of the gateway %s: %w", path, err)
	}
	return signer, nil
}

func makeHostKey(path string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, pem.EncodeToMemory(block), 0o600)
}
