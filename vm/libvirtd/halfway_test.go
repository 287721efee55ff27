package libvirtd

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ispctl"
)

// TestClearHalfway: of all that the driver keeps, a start that was cut off
// before its process was known is cleared, and that process ended.
func TestClearHalfway(t *testing.T) {
	paths := ispctl.Paths{Root: t.TempDir()}
	run := filepath.Dir(driverLock(paths))
	put := func(name, text string) string {
		t.Helper()
		file := filepath.Join(run, name)
		if err := os.MkdirAll(run, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	clear := func() {
		t.Helper()
		if err := clearCutOff(paths); err != nil {
			t.Fatal(err)
		}
	}
	clear() // there is nothing at all
	const cutOff = "<domstatus state='paused' reason='starting up' pid='0'><domain/></domstatus>"
	kept := []string{
		put("known.xml", "<domstatus state='paused' reason='starting up' pid='12'><domain/></domstatus>"),
		put("running.xml", "<domstatus state='running' reason='booted' pid='0'><domain/></domstatus>"),
		put("other.xml", "<domain state='paused' reason='starting up' pid='0'/>"),
		put("broken.xml", "<domstatus"),
		put("driver.pid", ""), put("known.pid", "12"),
	}
	noProcess, half := put("b.xml", cutOff), put("a.xml", cutOff)
	pidFile := put("a.pid", "")
	qemu := holder(t, "exec 3>"+pidFile+"; echo up; exec sleep 100")
	bystander := holder(t, "exec 3>"+kept[len(kept)-1]+"; echo up; exec sleep 100")

	driver := holder(t, "exec 3>"+driverLock(paths)+"; flock 3; echo up; exec sleep 100")
	clear()
	if len(holders(pidFile)) != 1 || !exists(half) || !exists(noProcess) {
		t.Error("cleared while another process had the driver")
	}
	kill(t, driver)

	clear()
	if err := qemu.Wait(); err == nil || qemu.ProcessState.Success() {
		t.Errorf("its process: %v", err)
	}
	for _, file := range []string{noProcess, half, pidFile} {
		if exists(file) {
			t.Errorf("%s is still there", file)
		}
	}
	for _, file := range kept {
		if !exists(file) {
			t.Errorf("%s is gone", file)
		}
	}
	if len(holders(kept[len(kept)-1])) != 1 {
		t.Error("somebody else's process is gone")
	}
	kill(t, bystander)
}

// holder is a shell that has done its script, and said so.
func holder(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if !bufio.NewScanner(out).Scan() {
		t.Fatalf("%s: said nothing", script)
	}
	return cmd
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
