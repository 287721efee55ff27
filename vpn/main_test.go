package vpn_test

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/guard"
	"ispctl/internal/testkit"
	"ispctl/vpn"
)

const deviceArg = "vpn-device-of-test"

// TestMain is also the process of a device: its arguments are the installation's
// prefix and its root.
func TestMain(m *testing.M) {
	if len(os.Args) < 4 || os.Args[1] != deviceArg {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	err := vpn.Serve(ctx, ispctl.Installation{Prefix: os.Args[2]}, ispctl.Paths{Root: os.Args[3]}.VPNSocket(), os.Stderr, guard.Ready)
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// TUN is what a device without the kernel's help is made of.
var tunDevice = testkit.Feature{Name: "tun", Probe: func() error {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}}

// open opens the edge in the namespace of the caller. Whatever device is left is
// ended with the test.
func open(t *testing.T, inst ispctl.Installation, paths ispctl.Paths) *vpn.Kernel {
	t.Helper()
	k, err := vpn.Open(inst, paths, func(ctx context.Context) error {
		log := filepath.Join(paths.Root, "device.log")
		return guard.Start(ctx, []string{deviceArg, inst.Prefix, paths.Root}, log)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s, err := k.Observe(context.Background())
		if err == nil {
			err = k.Apply(context.Background(), vpn.Diff(vpn.State{}, s))
		}
		if err := errors.Join(err, k.Close()); err != nil {
			t.Error(err)
		}
	})
	return k
}
