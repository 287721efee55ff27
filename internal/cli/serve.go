package cli

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/internal/config"
	"ispctl/internal/resident"
)

func (a *app) serveCmd() *cobra.Command {
	var metrics string
	c := &cobra.Command{
		Use: "serve", Short: "Stay, and keep the host as the database says; for the service manager",
		Long: `Stay, and keep the host as the database says; for the service manager.

It converges once at its start, and puts back what other tools take away:
tables, links, addresses, routes, sysctls. It answers tenants where gateway set
says, and users of this host by a socket: members of the group ispctl, who are
operators, and of ispctl-audit, who are auditors and change nothing. It may be ended at any time: guests, walls and
servers stand without it, and every other command works without it. Under
systemd it is ` + "`systemctl enable --now ispctl`." + `

With --metrics it answers GET /metrics with the counters of VMs and addresses in
the format of Prometheus, on a socket or a loopback address. Nobody is asked
who he is.`,
		Example: "  ispctl serve\n  ispctl serve --metrics unix:/run/ispctl/metrics.sock",
		Args:    args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			var place metricsPlace
			if metrics != "" {
				var err error
				if place, err = parseMetricsPlace(metrics); err != nil {
					return err
				}
			}
			inst, err := config.Load(a.paths())
			if err != nil {
				return err
			}
			if err := a.enter(inst); err != nil {
				return err
			}
			release, err := resident.Only(a.paths().Serve())
			if err != nil {
				return err
			}
			a.later(release)
			return a.serve(c.Context(), inst, place)
		},
	}
	c.Flags().StringVar(&metrics, "metrics", "", "hand out figures at unix:PATH or a loopback ADDRESS:PORT")
	return c
}

// serveGarbage is by how many percent the memory in use may grow before it is
// looked through for what is not (GOGC). A reading of thousands of guests is
// garbage as soon as it is booked; to collect it each time takes as much as to read.
const serveGarbage = 400

// serve runs the resident part until ctx ends.
func (a *app) serve(ctx context.Context, inst ispctl.Installation, metrics metricsPlace) error {
	debug.SetGCPercent(serveGarbage)
	say := log.New(a.streams.Err, "", 0) // the journal knows the time
	if err := resident.Notify(resident.Ready); err != nil {
		return err
	}
	say.Print("ready")
	resident.Run(ctx, a.tasks(inst, metrics, say), resident.DefaultPause, say)
	say.Print("ends")
	return resident.Notify(resident.Stopping)
}

// tasks are all that the resident part does, a row each.
//
// None opens libvirt: its embedded driver belongs to a process until that ends,
// and every other command would wait for this one. What takes domains is done by
// a child.
func (a *app) tasks(inst ispctl.Installation, metrics metricsPlace, say *log.Logger) []resident.Task {
	all := []resident.Task{
		resident.Watchdog(),
		{Name: "start", Run: func(ctx context.Context) error { return a.child(ctx, say, "converge") }},
		{Name: "watch", Run: a.watch(inst, say)},
		{Name: "usage", Run: a.meterTask(inst, say)},
		{Name: "flows", Run: a.flowsTask(inst, say)},
		{Name: "gateway", Run: a.gatewayTask(inst, say)},
		{Name: "control", Run: a.controlTask(inst, say)},
		{Name: "memory", Run: a.memoryTask(inst, say)},
	}
	if metrics != (metricsPlace{}) {
		all = append(all, resident.Task{Name: "metrics", Run: a.metricsTask(inst, metrics, say)})
	}
	return all
}

// child runs a command of this program as a process of its own, under the same
// root, and says what it said.
func (a *app) child(ctx context.Context, say *log.Logger, args ...string) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{"--root=" + a.rootDir, "--lock-timeout=" + a.lockWait.String()}, args...)...)
	cmd.Args[0] = "ispctl"
	// Asked, not killed: a pass that is cut off is mended by the next, but need
	// not be cut off.
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	lines := &lines{say: func(line string) { say.Printf("%s: %s", args[0], line) }}
	cmd.Stdout, cmd.Stderr = lines, lines
	cmd.WaitDelay = time.Second // whoever it started may hold them open
	err := cmd.Run()
	lines.flush()
	if err != nil {
		return fmt.Errorf("ispctl %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// lines passes on what is written to it, a line at a time.
type lines struct {
	say  func(string)
	rest []byte
}

// Write implements [io.Writer].
func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l.say(string(line))
		l.rest = rest
	}
}

func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.say(string(l.rest))
	}
}
