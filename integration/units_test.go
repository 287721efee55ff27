package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ispctl/internal/testkit"
)

// TestUnits has systemd read the units that are installed.
func TestUnits(t *testing.T) {
	testkit.Need(t, testkit.Feature{Name: "systemd-analyze", Probe: func() error { _, err := exec.LookPath("systemd-analyze"); return err }})
	units, err := filepath.Glob("../systemd/*.service")
	if err != nil || len(units) < 2 {
		t.Fatalf("units: %v, %v", units, err)
	}
	for _, path := range units {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			unit, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), name)
			text := strings.ReplaceAll(string(unit), "/usr/sbin/ispctl", program)
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput()
			if err != nil || strings.Contains(string(out), name) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
