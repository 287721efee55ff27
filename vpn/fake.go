package vpn

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"ispctl/converge"
)

// Fake is a host in memory.
type Fake struct {
	Device  *Device
	Foreign []string // links of others

	// FailNext, when set, is what the next change fails with.
	FailNext error
}

var _ converge.Target[State, Change] = (*Fake)(nil)

// Observe returns the device.
func (f *Fake) Observe(context.Context) (State, error) {
	if f.Device == nil {
		return State{}, nil
	}
	d := *f.Device
	d.Peers = maps.Clone(d.Peers)
	return State{Device: &d}, nil
}

// Apply carries out changes in order.
func (f *Fake) Apply(_ context.Context, changes []Change) error {
	for _, c := range changes {
		if err := f.FailNext; err != nil {
			f.FailNext = nil
			return err
		}
		if err := f.apply(c); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	return nil
}

func (f *Fake) apply(c Change) error {
	switch c.Act {
	case Refuse:
		return &converge.Fault{Object: c.Object(), Err: c.fault}
	case RemoveLink:
		f.Device = nil
		return nil
	case AddLink:
		if slices.Contains(f.Foreign, c.Device.Link) {
			return fmt.Errorf("link %s is another's", c.Device.Link)
		}
		if f.Device == nil {
			f.Device = &Device{Link: c.Device.Link, MTU: MTU, KeyDir: c.Device.KeyDir, Peers: map[wgtypes.Key]Peer{}}
		}
		return nil
	}
	if f.Device == nil {
		return fmt.Errorf("no link %s", c.Device.Link)
	}
	switch c.Act {
	case SetMTU:
		f.Device.MTU = c.Device.MTU
	case SetKey:
		f.Device.Private = c.Device.Private
	case SetPort:
		f.Device.Port = c.Device.Port
	case RemovePeer:
		delete(f.Device.Peers, c.Key)
	case SetPeer:
		for key, have := range f.Device.Peers {
			if key != c.Key && have.Address == c.Peer.Address {
				have.Address = c.Device.Address.Masked() // the kernel takes it off the one that had it
				f.Device.Peers[key] = have
			}
		}
		f.Device.Peers[c.Key] = c.Peer
	case SetAddress:
		f.Device.Address = c.Device.Address
	case SetUp:
		f.Device.Up = c.Device.Up
	}
	return nil
}

// String draws what is not ours.
func (f *Fake) String() string { return strings.Join(f.Foreign, "\n") }
