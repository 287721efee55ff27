package operations

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
)

// pending is a change that was made and not yet confirmed, as it lies on disk.
// It is written before the change is, so that there is never a change without
// the way back.
type pending struct {
	Version  int
	ID       string
	Command  string // "zone policy deny"
	Object   string
	Actor    string
	Made     time.Time
	Deadline time.Time // by the wall clock, for people

	BootID string
	Due    time.Duration // since that boot, by CLOCK_BOOTTIME
	Maker  Process       // the command that makes the change
	Undo   Undo
}

// pendingVersion is the version of the file's format.
const pendingVersion = 1

// what is the change in words: `zone policy deny of policy dmz -> mail by root`.
func (c *pending) what() string { return c.Command + " of " + c.Object + " by " + c.Actor }

// wait is the next step of who stands before a pending change.
func (c *pending) wait() string {
	return "keep it first (ispctl confirm), or take it back (ispctl confirm --revert)"
}

// pendingFile is where the pending change lies; there is one at most.
func (p *Provider) pendingFile() string { return filepath.Join(p.Paths.Confirm(), "pending.json") }

// readPending reads the pending change; nil if there is none.
func (p *Provider) readPending() (*pending, error) {
	data, err := os.ReadFile(p.pendingFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("unconfirmed change: %w", err)
	}
	var c pending
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, p.unreadable("is damaged", err)
	}
	if c.Version != pendingVersion {
		return nil, p.unreadable(fmt.Sprintf("has version %d, and this ispctl knows %d", c.Version, pendingVersion), nil)
	}
	return &c, nil
}

func (p *Provider) unreadable(cause string, err error) error {
	return &ispctl.Error{
		Kind: ispctl.Failed, Object: "unconfirmed change " + p.pendingFile(), Cause: cause, Err: err,
		Next: "read it, set right what it would have, and move it away",
	}
}

// writePending puts the pending change on disk, whole or not at all, and
// returns when it would survive a power cut.
func (p *Provider) writePending(c *pending) error {
	if err := p.putPending(c); err != nil {
		return fmt.Errorf("unconfirmed change: %w", err)
	}
	return nil
}

func (p *Provider) putPending(c *pending) error {
	dir := p.Paths.Confirm()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	half := p.pendingFile() + ".tmp"
	f, err := os.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(half, p.pendingFile()); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

// dropPending removes the pending change; from then on nothing takes it back.
func (p *Provider) dropPending() error {
	if err := os.Remove(p.pendingFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unconfirmed change: %w", err)
	}
	if err := syncDir(p.Paths.Confirm()); err != nil {
		return fmt.Errorf("unconfirmed change: %w", err)
	}
	return nil
}

// syncDir makes the names in a directory durable (fsync(2)).
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fsync(int(d.Fd())), d.Close())
}
