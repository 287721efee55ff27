package cli

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/netns"
	"ispctl/vm"
	"ispctl/vm/libvirtd"
)

// enteredEnv tells the process that was started over what it has entered.
const enteredEnv = "ISPCTL_ENTERED"

// enter moves the process to where the installation lives: into its network
// namespace, and, where libvirt's driver runs inside ispctl and KVM is of no
// use, into a mount namespace in which /dev/kvm is hidden; libvirt would try it
// again and again, for seconds each time. A namespace is a thread's, so the
// process starts itself over from a thread that is inside: then all of it is.
func (a *app) enter(inst ispctl.Installation) error {
	hideKVM := inst.Hypervisor == "embed" && vm.KVMMisleads()
	// What is entered is named by what does not change by entering it: the
	// process that was started over must find that it is there.
	place := "netns " + inst.NetNS
	if inst.NetNS == "" && !hideKVM || os.Getenv(enteredEnv) == place {
		return nil
	}
	if os.Geteuid() != 0 {
		return &ispctl.Error{Kind: ispctl.Permission, Object: "namespace", Cause: "entering one takes root", Next: "run ispctl as root"}
	}
	runtime.LockOSThread()
	if inst.NetNS != "" {
		if !netns.Exists(inst.NetNS) {
			return &ispctl.Error{
				Kind: ispctl.NotFound, Object: fmt.Sprintf("network namespace %q", inst.NetNS), Cause: "is gone",
				Next: "make it again (ip netns add " + inst.NetNS + ") with its uplink, and run ispctl init and converge",
			}
		}
		if err := netns.Set(inst.NetNS); err != nil {
			return err
		}
	}
	if hideKVM {
		if err := libvirtd.HideKVM(a.paths()); err != nil {
			return err
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start over: %w", err)
	}
	env := append(os.Environ(), enteredEnv+"="+place)
	return fmt.Errorf("start over: %w", unix.Exec(exe, os.Args, env))
}
