package resident

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// Messages to the service manager.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	alive    = "WATCHDOG=1"
)

// Notify tells the service manager. Where there is none, it does nothing. An
// abstract socket, whose name begins with @, is out of reach from another
// network namespace; systemd's own has a path.
func Notify(messages ...string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	var errs []error
	for _, m := range messages {
		_, err := conn.Write([]byte(m))
		errs = append(errs, err)
	}
	return errors.Join(append(errs, conn.Close())...)
}

// Watchdog is a task that tells the service manager in time that the process is
// alive, if it wants to know (sd_watchdog_enabled(3)).
func Watchdog() Task {
	return Task{"watchdog", func(ctx context.Context) error {
		every := watchdogPeriod()
		if every == 0 {
			return nil
		}
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				if err := Notify(alive); err != nil {
					return err
				}
			}
		}
	}}
}

// watchdogPeriod is half of the time after which the service manager takes us
// for dead; 0: it does not watch us.
func watchdogPeriod() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond / 2
}
