package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ispctl"
)

// guest puts a QEMU into the patient's /proc.
func (p *Patient) guest(t *testing.T, pid string, vm ispctl.VM, alter ...string) {
	t.Helper()
	dir := filepath.Join(p.Proc, pid)
	uid := fmt.Sprint(p.Model.Installation.GuestUID(vm.ID))
	four := strings.Join([]string{uid, uid, uid, uid}, "\t")
	zero := "0000000000000000"
	status := fmt.Sprintf("Name:\tqemu\nUid:\t%s\nGid:\t%s\nCapInh:\t%s\nCapPrm:\t%s\nCapEff:\t%s\nCapAmb:\t%s\nNoNewPrivs:\t1\nSeccomp:\t2\n", four, four, zero, zero, zero, zero)
	for i := 0; i+1 < len(alter); i += 2 {
		if !strings.Contains(status, alter[i]) {
			t.Fatalf("no %q in %s", alter[i], status)
		}
		status = strings.Replace(status, alter[i], alter[i+1], 1)
	}
	err := errors.Join(
		os.MkdirAll(filepath.Join(dir, "fd"), 0o755), os.WriteFile(filepath.Join(dir, "status"), []byte(status), 0o600),
		os.WriteFile(filepath.Join(dir, "cmdline"), []byte("/usr/bin/qemu-system-x86_64\x00-uuid\x00"+vm.UUID+"\x00"), 0o600),
		os.Symlink(p.Model.Paths.Disk(vm.UUID), filepath.Join(dir, "fd/3")),
	)
	if err != nil {
		t.Fatal(err)
	}
}

func TestConfinement(t *testing.T) {
	web := ispctl.VM{ID: 1, UUID: "00000000-0000-4000-8000-000000000001", Name: "web1", Wanted: ispctl.Running}
	mail := ispctl.VM{ID: 2, UUID: "00000000-0000-4000-8000-000000000002", Name: "mail1", Wanted: ispctl.Running}
	for _, tt := range []struct {
		name  string
		harm  func(*testing.T, *Patient)
		state State
		says  string
	}{
		{"none runs", func(*testing.T, *Patient) {}, Skipped, "no guest's QEMU runs"},
		{"both as they should be", func(t *testing.T, p *Patient) { p.guest(t, "11", web); p.guest(t, "12", mail) }, OK, "12 of 12 points"},
		{"root", func(t *testing.T, p *Patient) { p.guest(t, "11", web, "Uid:\t1", "Uid:\t0 1") }, Failed, "5 of 6 points; lacks a user of its own"},
		{"a capability", func(t *testing.T, p *Patient) { p.guest(t, "11", web, "CapEff:\t0", "CapEff:\t4") }, Failed, "lacks no capability (CapEff is 4"},
		{"privileges", func(t *testing.T, p *Patient) { p.guest(t, "11", web, "NoNewPrivs:\t1", "NoNewPrivs:\t0") }, Failed, "lacks no new privileges"},
		{"no filter", func(t *testing.T, p *Patient) { p.guest(t, "11", web, "Seccomp:\t2", "Seccomp:\t0") }, Failed, "lacks a filter of system calls"},
		{"another's disk", func(t *testing.T, p *Patient) {
			p.guest(t, "11", web)
			if err := os.Symlink(p.Model.Paths.Disk(mail.UUID), filepath.Join(p.Proc, "11/fd/4")); err != nil {
				t.Fatal(err)
			}
		}, Failed, "lacks no file of another guest"},
		{"the database", func(t *testing.T, p *Patient) {
			p.guest(t, "11", web)
			if err := os.Symlink(p.Model.Paths.Database(), filepath.Join(p.Proc, "11/fd/4")); err != nil {
				t.Fatal(err)
			}
		}, Failed, "lacks nothing of ispctl's own"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := patient(t)
			p.Model.VMs = []ispctl.VM{web, mail}
			tt.harm(t, p)
			found, err := confinement(t.Context(), p)
			if err != nil || len(found) != 1 || found[0].State != tt.state || !strings.Contains(found[0].Found, tt.says) {
				t.Errorf("want %s %q, have %+v, %v", tt.state, tt.says, found, err)
			}
		})
	}
}
