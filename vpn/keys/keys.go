// Package keys keeps the secrets of the VPN as files that only root reads,
// beside the database and never in it: the host's private key, and the
// preshared keys of peers. The private keys of peers are made here at times,
// and never kept.
package keys

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"ispctl"
)

// Store is a directory of keys.
type Store struct {
	Dir string

	// Trial is a store for a dry run: what is made is not written.
	Trial bool
	tried map[string]wgtypes.Key
}

const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// Pair is a private key and its public one. It is never printed by accident.
type Pair struct {
	Private wgtypes.Key
	Public  ispctl.PublicKey
}

// String hides the private key.
func (p Pair) String() string { return "key pair of " + string(p.Public) }

// NewPair makes a pair.
func NewPair() (Pair, error) {
	key, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		return Pair{}, fmt.Errorf("make a key: %w", err)
	}
	return pairOf(key), nil
}

func pairOf(key wgtypes.Key) Pair { return Pair{key, ispctl.PublicKey(key.PublicKey().String())} }

// ParsePrivate reads a private key, as wg genkey prints it.
func ParsePrivate(text string) (Pair, error) {
	key, err := wgtypes.ParseKey(strings.TrimSpace(text))
	if err != nil || key == (wgtypes.Key{}) {
		return Pair{}, ispctl.Invalid("private key", "", "is not 32 bytes in base64")
	}
	return pairOf(key), nil
}

// PrivateFile is where the host's private key is.
func (s *Store) PrivateFile() string { return filepath.Join(s.Dir, "private.key") }

// PresharedFile is where the preshared key is that goes with a public one.
func (s *Store) PresharedFile(k ispctl.PublicKey) string {
	key, err := wgtypes.ParseKey(string(k))
	if err != nil {
		return filepath.Join(s.Dir, "none.psk")
	}
	return filepath.Join(s.Dir, hex.EncodeToString(key[:])+".psk")
}

// Host is the host's pair.
func (s *Store) Host() (Pair, error) {
	key, err := s.read(s.PrivateFile())
	return pairOf(key), err
}

// MakeHost is the host's pair, which is made when there is none.
func (s *Store) MakeHost() (Pair, error) {
	have, err := s.Host()
	if !errors.Is(err, fs.ErrNotExist) {
		return have, err
	}
	return s.NewHost()
}

// Preshared is the preshared key that goes with a public one.
func (s *Store) Preshared(k ispctl.PublicKey) (wgtypes.Key, error) { return s.read(s.PresharedFile(k)) }

// NewHost is a new pair in place of the host's.
func (s *Store) NewHost() (Pair, error) {
	made, err := NewPair()
	if err != nil {
		return Pair{}, err
	}
	return made, s.write(s.PrivateFile(), made.Private)
}

// MakePreshared makes one, in place of what there is.
func (s *Store) MakePreshared(k ispctl.PublicKey) (wgtypes.Key, error) {
	key, err := wgtypes.GenerateKey()
	if err != nil {
		return key, fmt.Errorf("make a preshared key: %w", err)
	}
	return key, s.write(s.PresharedFile(k), key)
}

// Forget removes the preshared keys that go with no peer of the model, and the
// host's own when there is no VPN.
func (s *Store) Forget(m *ispctl.Model) error {
	keep := map[string]bool{}
	if m.VPN.Configured() {
		keep[s.PrivateFile()] = true
	}
	for _, p := range m.VPN.Peers {
		if p.Preshared {
			keep[s.PresharedFile(p.PublicKey)] = true
		}
	}
	files, err := filepath.Glob(filepath.Join(s.Dir, "*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		ours := strings.HasSuffix(f, ".psk") || f == s.PrivateFile()
		if ours && !keep[f] {
			err = errors.Join(err, os.Remove(f))
		}
	}
	return err
}

// read never quotes what it reads.
func (s *Store) read(path string) (wgtypes.Key, error) {
	if key, tried := s.tried[path]; tried && s.Trial {
		return key, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return wgtypes.Key{}, err
	}
	key, err := wgtypes.ParseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return wgtypes.Key{}, fmt.Errorf("%s holds no key", path)
	}
	return key, nil
}

func (s *Store) write(path string, key wgtypes.Key) error {
	if s.Trial {
		if s.tried == nil {
			s.tried = map[string]wgtypes.Key{}
		}
		s.tried[path] = key
		return nil
	}
	if err := os.MkdirAll(s.Dir, dirMode); err != nil {
		return err
	}
	if err := os.Chmod(s.Dir, dirMode); err != nil {
		return err
	}
	return renameio.WriteFile(path, []byte(key.String()+"\n"), fileMode)
}
