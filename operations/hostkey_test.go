package operations_test

import (
	"os"
	"testing"

	"ispctl"
	"ispctl/operations"
)

// TestHostKeysAreEachGuestsOwn, from its making on, and new with a new disk.
func TestHostKeysAreEachGuestsOwn(t *testing.T) {
	w := withVMs(t)
	ctx := t.Context()
	key := func(name string) string {
		t.Helper()
		vm, err := w.model().VM(name)
		if err != nil || vm.HostKey == "" {
			t.Fatalf("%s: host key %q, %v", name, vm.HostKey, err)
		}
		view, err := w.VM(ctx, name)
		if err != nil || view.HostKey != vm.HostKey || view.HostKeyFP != ispctl.Fingerprint(vm.HostKey) || len(view.HostKeyFP) != len("SHA256:")+43 {
			t.Errorf("%s is shown with %q, %q, %v", name, view.HostKey, view.HostKeyFP, err)
		}
		way, err := w.SSH(ctx, name)
		if err != nil || way.KnownHosts() != vm.UUID+" "+vm.HostKey+"\n" || way.Login != "root" || way.Addr != vm.NICs[0].Addr {
			t.Errorf("%s: %+v, %v", name, way, err)
		}
		return vm.HostKey
	}
	one, other := key("web1"), key("web2")
	if one == other {
		t.Errorf("two guests have the host key %s", one)
	}
	w.ok(w.RebuildVM(ctx, "web1", "", options{}))
	if again := key("web1"); again == one || again == other {
		t.Error("a new disk has the old host key")
	}
	st, err := os.Stat(w.Paths.HostKeys())
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the secret: %v, %v", st, err)
	}
	w.ok(w.SetVMsWanted(ctx, []string{"web2"}, ispctl.Stopped, options{}))
	_, err = w.SSH(ctx, "web2")
	refused(t, err, ispctl.Conflict, `vm "web2": is not running; start it: ispctl vm start web2`)
	_, err = w.SSH(ctx, "nope")
	refused(t, err, ispctl.NotFound, `vm "nope" not found`)
}

// TestHostKeySecretIsLost gives no guest a key that nobody knows of.
func TestHostKeySecretIsLost(t *testing.T) {
	w := withVMs(t)
	vm, err := w.model().VM("web1")
	if err != nil {
		t.Fatal(err)
	}
	seed := operations.Seed(w.Templates, operations.HostKeys{File: w.Paths.HostKeys()})
	files := func() error {
		t.Helper()
		s, err := seed(w.model(), vm)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Files()
		return err
	}
	if err := files(); err != nil {
		t.Error(err)
	}
	for _, secret := range []string{"", "short", "another secret of thirty-two byte"[:32]} {
		if secret == "" {
			err = os.Remove(w.Paths.HostKeys())
		} else {
			err = os.WriteFile(w.Paths.HostKeys(), []byte(secret), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		refused(t, files(), ispctl.KindOf(files()), "or make the VM anew: ispctl vm rebuild web1")
	}
	w.ok(w.RebuildVM(t.Context(), "web1", "", options{}))
	if vm, err = w.model().VM("web1"); err != nil || files() != nil {
		t.Errorf("made anew: %v, %v", err, files())
	}
}
