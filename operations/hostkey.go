package operations

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"ispctl"
	"ispctl/templates"
)

// HostKeys makes the SSH host keys of guests, out of one secret and each guest's
// instance id, by HKDF (RFC 5869). So a key is known before its guest is there, is
// the same however often its seed is written, and needs no file that a crash
// could lose or leave behind.
type HostKeys struct{ File string } // of the secret

const hostSecretSize = 32

// For is the key of a guest.
func (k HostKeys) For(instance string) (ed25519.PrivateKey, error) {
	secret, err := os.ReadFile(k.File)
	if err != nil {
		return nil, fmt.Errorf("read secret of host keys: %w", err)
	}
	return k.derive(secret, instance)
}

// Make is For, and makes the secret where there is none yet. The caller holds the
// host lock.
func (k HostKeys) Make(instance string) (ed25519.PrivateKey, error) {
	secret, err := os.ReadFile(k.File)
	if errors.Is(err, fs.ErrNotExist) {
		secret = make([]byte, hostSecretSize)
		rand.Read(secret) // never fails, see crypto/rand
		if err := os.MkdirAll(filepath.Dir(k.File), 0o755); err != nil {
			return nil, fmt.Errorf("make secret of host keys: %w", err)
		}
		err = renameio.WriteFile(k.File, secret, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("make secret of host keys: %w", err)
	}
	return k.derive(secret, instance)
}

func (k HostKeys) derive(secret []byte, instance string) (ed25519.PrivateKey, error) {
	if len(secret) != hostSecretSize {
		return nil, ispctl.Invalid("secret of host keys", k.File, "has %d bytes, not %d", len(secret), hostSecretSize)
	}
	seed, err := hkdf.Key(sha256.New, secret, nil, "ispctl: SSH host key of guest "+instance, ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// private is the private half of a VM's host key; nil where the guest made its
// own. It is an error where the secret is not the one that the key was made of.
func (k HostKeys) private(vm ispctl.VM) (ed25519.PrivateKey, error) {
	if vm.HostKey == "" {
		return nil, nil
	}
	key, err := k.For(vm.InstanceID())
	if err == nil && hostKeyLine(key) != vm.HostKey {
		err = errors.New("its secret is another one")
	}
	if err != nil {
		return nil, &ispctl.Error{
			Object: fmt.Sprintf("vm %q", vm.Name), Cause: "its SSH host key cannot be made again", Err: err,
			Next: fmt.Sprintf("bring %s back from a backup, or make the VM anew: ispctl vm rebuild %s", k.File, vm.Name),
		}
	}
	return key, nil
}

func hostKeyLine(key ed25519.PrivateKey) string {
	return templates.HostKeyLine(key.Public().(ed25519.PublicKey))
}

// giveHostKey puts the public half of its instance's key into a VM.
func giveHostKey(paths ispctl.Paths, vm *ispctl.VM) error {
	key, err := HostKeys{paths.HostKeys()}.Make(vm.InstanceID())
	if err != nil {
		return err
	}
	vm.HostKey = hostKeyLine(key)
	return nil
}
