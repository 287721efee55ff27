package vpn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"ispctl"
	"ispctl/internal/unixsock"
)

// Serve is the device of a kernel that has no WireGuard, in the network
// namespace of its caller. It makes the link, takes the socket, says that it is
// ready and works until ctx ends or the link is deleted. The link's name is its
// lock: there is one device of it.
func Serve(ctx context.Context, inst ispctl.Installation, socket string, words io.Writer, ready func() error) error {
	link, err := tun.CreateTUN(inst.VPNLink(), MTU)
	if errors.Is(err, unix.EBUSY) {
		return &ispctl.Error{Kind: ispctl.Conflict, Object: "vpn device", Cause: "runs already", Err: err}
	}
	if err != nil {
		return fmt.Errorf("make link %s: %w", inst.VPNLink(), err)
	}
	say := log.New(words, "", log.LstdFlags|log.LUTC)
	d := device.NewDevice(link, conn.NewDefaultBind(), &device.Logger{Verbosef: device.DiscardLogf, Errorf: say.Printf})
	defer d.Close()
	if err := mark(inst); err != nil {
		return fmt.Errorf("mark link %s: %w", inst.VPNLink(), err)
	}
	l, err := unixsock.Listen(socket)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", socket, err)
	}
	defer l.Close() //nolint:errcheck // it ends with the process
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
				time.Sleep(time.Second)
				continue
			}
			if err != nil {
				return
			}
			go d.IpcHandle(c)
		}
	}()
	if err := ready(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-d.Wait():
	}
	return nil
}

// mark puts the link into its group, by which it is known to be ours.
func mark(inst ispctl.Installation) error {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer nl.Close()
	l, err := nl.LinkByName(inst.VPNLink())
	if err != nil {
		return err
	}
	return nl.LinkSetGroup(l, int(inst.VPNGroup()))
}
