package operations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"ispctl"
	"ispctl/state"
)

// moveOrder is what the program that moves addresses reads on its standard
// input.
type moveOrder struct {
	Address   string `json:"address"`
	Interface string `json:"interface"`
	Host      string `json:"host"` // the host's own address; empty: not said
}

// maxSaid is how much is kept of what that program said.
const maxSaid = 4 << 10

// MoveAddress asks the provider to deliver an address here, by the program that
// the operator named. That takes as long as the provider takes.
func (p *Provider) MoveAddress(ctx context.Context, addr netip.Addr, timeout time.Duration) error {
	m, err := p.Store.Model(ctx)
	if err != nil {
		return err
	}
	if _, err := m.Address(addr); err != nil {
		return err
	}
	argv, err := m.Uplink.Mover()
	if err != nil {
		return err
	}
	order := moveOrder{Address: addr.String(), Interface: m.Uplink.Interface}
	if m.Uplink.Address.IsValid() {
		order.Host = m.Uplink.Address.Addr().String()
	}
	said, err := runMover(ctx, append(argv, addr.String()), order, timeout)
	detail := "moved"
	if err != nil {
		detail = "failed: " + err.Error()
	}
	entry := state.Entry{Actor: p.Actor, Operation: "address move", Object: "address " + addr.String(), Detail: detail}
	_, journal := p.Store.Update(ctx, entry, func(*state.Tx) error { return nil })
	if said != "" {
		p.progress(Progress{Object: "address " + addr.String(), Phase: "move", Text: said})
	}
	return errors.Join(err, journal)
}

// runMover runs a program, by no shell, for as long as it may take.
func runMover(ctx context.Context, argv []string, order moveOrder, timeout time.Duration) (said string, err error) {
	input, err := json.Marshal(order)
	if err != nil {
		return "", err
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(bounded, argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second // for a child of it that holds the pipe
	cmd.Stdin = strings.NewReader(string(input) + "\n")
	out, err := cmd.CombinedOutput()
	said = strings.ToValidUTF8(strings.TrimSpace(string(out[:min(len(out), maxSaid)])), "?")
	object := "address " + order.Address
	switch {
	case err == nil:
		return said, nil
	case errors.Is(bounded.Err(), context.DeadlineExceeded):
		return said, &ispctl.Error{
			Kind: ispctl.TimedOut, Object: object, Cause: fmt.Sprintf("%s has not ended within %s", argv[0], timeout), Next: "give it longer: --timeout",
		}
	}
	return said, &ispctl.Error{Kind: ispctl.KindOf(err), Object: object, Cause: argv[0] + " failed", Err: err, Next: "see what it said above"}
}
