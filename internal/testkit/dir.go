package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

// PassableDir is a directory of the test that users who are not root can pass,
// as the processes of guests are. That of [testing.T.TempDir] they cannot.
func PassableDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, one := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(one, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
