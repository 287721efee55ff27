package libvirtd

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ispctl"
)

// TestClearLeftover: directories of starts go that the driver knows nothing of,
// and nothing else.
func TestClearLeftover(t *testing.T) {
	paths := ispctl.Paths{Root: t.TempDir()}
	at := func(name string) string { return filepath.Join(paths.Embed(), name) }
	for _, dir := range []string{"lib/qemu/domain-3-isp-web1", "lib/qemu/domain-4-isp-web1", "lib/qemu/channel/target/domain-4-isp-web1", "lib/qemu/snapshot", "run/qemu"} {
		if err := os.MkdirAll(at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("run/qemu/isp-web1.xml"), []byte("<domstatus state='running'><domain type='qemu' id='3'><name>isp-web1</name></domain></domstatus>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"run/qemu/isp-web1.xml.new", "run/qemu/isp-web2.xml.new", "etc/qemu/isp-web1.xml.new", "etc/qemu/isp-web1.xml"} {
		if err := os.MkdirAll(filepath.Dir(at(file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	asked := at("lib/qemu/qmp-0WAJZ3")
	if err := os.MkdirAll(asked, 0o700); err != nil {
		t.Fatal(err)
	}
	// As QEMU does, it has its pid file open for as long as it lives.
	qemu := exec.Command("sh", "-c", `exec 3>"$1"; exec sleep 600`, "sh", filepath.Join(asked, "qmp.pid"))
	if err := qemu.Start(); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if exists(filepath.Join(asked, "qmp.pid")) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	ended := make(chan error, 1)
	go func() { ended <- qemu.Wait() }()
	if err := clearCutOff(paths); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it ended by itself")
		}
	case <-time.After(time.Minute):
		t.Errorf("a QEMU that was asked lives on: %v", qemu.Process.Kill())
	}
	for name, want := range map[string]bool{
		"lib/qemu/qmp-0WAJZ3":        false,
		"lib/qemu/domain-3-isp-web1": true, "lib/qemu/domain-4-isp-web1": false, "lib/qemu/channel/target/domain-4-isp-web1": false, "lib/qemu/snapshot": true,
		"run/qemu/isp-web1.xml": true, "etc/qemu/isp-web1.xml": true,
		"run/qemu/isp-web1.xml.new": false, "run/qemu/isp-web2.xml.new": false, "etc/qemu/isp-web1.xml.new": false,
	} {
		if exists(at(name)) != want {
			t.Errorf("%s: there %v, want %v", name, !want, want)
		}
	}
}
