package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"ispctl/internal/netns"
)

// Cell is one cell of the policy matrix, and what became of the packets that
// tried it.
type Cell struct {
	From     string   `json:"from"`
	To       string   `json:"to"`
	Family   string   `json:"family"`
	Services []string `json:"services"` // that `zone policy list` says are open
	Reached  []string `json:"reached"`  // of those tried
	Silent   []string `json:"silent"`
}

// tried is what is tried in every cell: each end answers both.
var tried = []string{"icmp", "tcp/22"}

// OK reports whether the packets fared as the matrix says.
func (c Cell) OK() bool {
	for _, service := range tried {
		if c.open(service) != slices.Contains(c.Reached, service) {
			return false
		}
	}
	return true
}

func (c Cell) open(service string) bool {
	return slices.Contains(c.Services, service) || slices.Contains(c.Services, "any")
}

// text is the cell in a table: what is open, or that nothing is.
func (c Cell) text() string {
	mark := "ok"
	if !c.OK() {
		mark = "FAIL"
	}
	if len(c.Services) == 0 {
		return "closed (" + mark + ")"
	}
	return strings.Join(c.Services, ",") + " (" + mark + ")"
}

// place is where packets of the matrix come from and go to.
type place struct {
	ns      string                                        // namespace it is in; empty: it is a guest
	run     func(context.Context, string) (string, error) // of a guest: a shell command
	addr    map[string]string                             // by family
	gateway map[string]string                             // the host, as it is known there
}

func (d *Demo) places() map[string]place {
	return map[string]place{
		"internet": {ns: InternetNS, addr: map[string]string{"ipv4": gateway, "ipv6": gateway6}, gateway: map[string]string{"ipv4": hostAddress, "ipv6": hostAddress6}},
		"host":     {ns: ProviderNS},
		"dmz":      {run: d.web1, addr: map[string]string{"ipv4": webGuest, "ipv6": webGuest6}, gateway: map[string]string{"ipv4": dmzGateway, "ipv6": dmzGateway6}},
		"mail":     {run: d.mail1, addr: map[string]string{"ipv4": mailGuest, "ipv6": mailGuest6}, gateway: map[string]string{"ipv4": mailGateway, "ipv6": mailGateway6}},
	}
}

// matrix sends real packets for every cell of the policy matrix, from real
// guests, the Internet's namespace and to all of them and the host.
func (d *Demo) matrix(ctx context.Context) ([]Cell, error) {
	out, err := exec.CommandContext(ctx, d.Program, "--root", d.Root, "zone", "policy", "list", "-o", "json").Output()
	if err != nil {
		return nil, fmt.Errorf("ispctl zone policy list: %w", err)
	}
	var cells []Cell
	if err := json.Unmarshal(out, &cells); err != nil {
		return nil, fmt.Errorf("ispctl zone policy list: %w", err)
	}
	stop, err := d.answer()
	if err != nil {
		return nil, err
	}
	defer stop()
	if err := tryAll(ctx, d.places(), cells, 4); err != nil {
		return nil, err
	}
	// A guest under emulation on a busy machine answers late, and what answers
	// late is not walled off: what ought to answer is given more time. What ought
	// to be silent and is not has been found already.
	for range 2 {
		if !slices.ContainsFunc(cells, func(c Cell) bool { return !c.OK() }) {
			break
		}
		if err := tryAll(ctx, d.places(), cells, 15); err != nil {
			return nil, err
		}
	}
	for i := range cells {
		cells[i].Silent = slices.DeleteFunc(slices.Clone(tried), func(service string) bool { return slices.Contains(cells[i].Reached, service) })
	}
	return cells, nil
}

// tryAll sends a packet for every cell that is not yet as its policy says, and
// waits some seconds for each answer.
func tryAll(ctx context.Context, places map[string]place, cells []Cell, seconds int) error {
	bySource := map[string][]*Cell{}
	for i := range cells {
		if !cells[i].OK() || len(cells[i].Reached) == 0 {
			bySource[cells[i].From] = append(bySource[cells[i].From], &cells[i])
		}
	}
	errs := make(chan error, len(bySource))
	var group sync.WaitGroup
	for from, mine := range bySource {
		group.Go(func() { errs <- tryCells(ctx, places, places[from], mine, seconds) })
	}
	group.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// answer lets the host and the Internet answer SSH's port, as guests do, and
// gives the Internet a way to the private prefixes, so that only the walls are
// in it.
func (d *Demo) answer() (stop func(), err error) {
	var listeners []net.Listener
	stop = func() {
		for _, l := range listeners {
			_ = l.Close() // nothing is lost with it
		}
	}
	for _, ns := range []string{ProviderNS, InternetNS} {
		l, err := listen(ns, ":22")
		if err != nil {
			stop()
			return nil, err
		}
		listeners = append(listeners, l)
		go greet(l)
	}
	err = netns.Do(InternetNS, func() error {
		for _, prefix := range []string{dmzPrefix, mailPrefix} {
			if out, err := exec.Command("ip", "route", "replace", prefix, "via", hostAddress).CombinedOutput(); err != nil {
				return fmt.Errorf("demo: route to %s: %w: %s", prefix, err, out)
			}
		}
		return nil
	})
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// greet says to whoever comes what an SSH server says first, until the listener
// is closed.
func greet(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("SSH-2.0-demo\r\n")) // whoever has gone does not mind
		_ = conn.Close()
	}
}

// tryCells tries the cells of one source, all at once: most of it is to wait
// for an answer that does not come.
func tryCells(ctx context.Context, places map[string]place, from place, cells []*Cell, seconds int) error {
	// nc ends by itself in none of its kinds; the host may have none, and the
	// micro guest has no bash. Whoever is there speaks first.
	run, hear := from.run, "timeout %d nc %s 22 </dev/null 2>/dev/null | head -c 3"
	if run == nil {
		run = func(ctx context.Context, command string) (string, error) {
			return inside(ctx, from.ns, "bash", "-c", command)
		}
		hear = "timeout %d bash -c 'head -c 3 </dev/tcp/%s/22' 2>/dev/null"
	}
	var script strings.Builder
	for i, c := range cells {
		target := places[c.To].addr[c.Family]
		if c.To == "host" {
			target = from.gateway[c.Family]
		}
		fmt.Fprintf(&script, "( ping -c 1 -W %d %s >/dev/null 2>&1 && echo %d icmp ) &\n", seconds-1, target, i)
		fmt.Fprintf(&script, "( "+hear+" | grep -q SSH && echo %d tcp/22 ) &\n", seconds, target, i)
	}
	script.WriteString("wait\n")
	out, err := run(ctx, script.String())
	if err != nil {
		return fmt.Errorf("try the policies: %w: %s", err, out)
	}
	for line := range strings.Lines(out) {
		var i int
		var service string
		if _, err := fmt.Sscan(line, &i, &service); err == nil && i >= 0 && i < len(cells) && slices.Contains(tried, service) {
			cells[i].Reached = append(cells[i].Reached, service)
		}
	}
	for _, c := range cells {
		slices.Sort(c.Reached)
		c.Reached = slices.Compact(c.Reached)
	}
	return nil
}

// printMatrix draws the cells as `zone policy list` does, with what the packets
// said of each.
func (d *Demo) printMatrix(cells []Cell) {
	ends := func(of func(Cell) string) []string {
		var all []string
		for _, c := range cells {
			if !slices.Contains(all, of(c)) {
				all = append(all, of(c))
			}
		}
		slices.Sort(all)
		return all
	}
	to := ends(func(c Cell) string { return c.To })
	for _, family := range ends(func(c Cell) string { return c.Family }) {
		fmt.Fprintf(d.Out, "\nWho may open connections to whom, by %s, and whether %s fared so:\n", family, strings.Join(tried, " and "))
		w := tabwriter.NewWriter(d.Out, 0, 0, 3, ' ', 0)
		fmt.Fprintf(w, "FROM\\TO\t%s\n", strings.Join(to, "\t"))
		for _, from := range ends(func(c Cell) string { return c.From }) {
			row := make([]string, len(to))
			for i := range to {
				row[i] = "-"
				for _, c := range cells {
					if c.From == from && c.To == to[i] && c.Family == family {
						row[i] = c.text()
					}
				}
			}
			fmt.Fprintf(w, "%s\t%s\n", from, strings.Join(row, "\t"))
		}
		_ = w.Flush() // as any other line of output
	}
}
