// Command testrun runs all tests, part by part, and prints what a person wants
// to know: failures with their output, a line per package, every skipped test
// with its reason, how long each part and the slowest tests took, and the
// counts. Its exit status is that of the tests. A skip that nobody counts is a
// test that nobody runs.
//
// A few tests that failed are run once more, alone, since real guests and real
// packets share the machine with whatever else it does; one that passes then is
// said to have failed at first, with its output, and counted apart. It also
// reads the events of `go test -json` from standard input, with -stdin.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	all := flag.Bool("all", false, "run the long parts too")
	stdin := flag.Bool("stdin", false, "run nothing: read events from standard input")
	only := flag.String("part", "", "run this part alone; with -stdin: whose events they are")
	book := flag.String("record", "", "keep in this file what came of each test, and write the table of docs/testing.md beside it anew")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	var rec *recorder
	if *book != "" {
		var err error
		if rec, err = openRecord(ctx, *book); err != nil {
			fmt.Fprintln(os.Stderr, "testrun:", err)
			os.Exit(1)
		}
	}
	chosen := parts(*all)
	if *only != "" {
		chosen = slices.DeleteFunc(parts(true), func(p part) bool { return p.name != *only })
		if len(chosen) == 0 {
			fmt.Fprintf(os.Stderr, "testrun: no part is called %q\n", *only)
			os.Exit(2)
		}
	}
	if *stdin {
		r := read(os.Stdin, os.Stdout)
		if rec != nil {
			p := part{}
			if *only != "" {
				p = chosen[0]
			}
			rec.take(p, r, os.Stdout)
		}
		r.print(os.Stdout)
		os.Exit(status(r))
	}
	os.Exit(status(runAll(ctx, chosen, rec, os.Stdout)))
}

func status(r *result) int {
	if r.ok() {
		return 0
	}
	return 1
}

// runAll runs the parts one after the other and prints the sum of them.
func runAll(ctx context.Context, parts []part, rec *recorder, out io.Writer) *result {
	total := &result{}
	var times []string
	for _, p := range parts {
		fmt.Fprintf(out, "== %s: %s\n", p.name, p.what)
		started := time.Now()
		r := runPart(ctx, p, out)
		took := time.Since(started).Round(time.Second)
		times = append(times, fmt.Sprintf("%-8s %8s  %d passed, %d failed, %d skipped", p.name, took, r.passed, len(r.failed), len(r.skipped)))
		total.add(r)
		if rec != nil {
			rec.take(p, r, out)
		}
		if ctx.Err() != nil {
			total.broken = append(total.broken, "interrupted")
			break
		}
	}
	fmt.Fprintln(out, "== how long each part took")
	for _, line := range times {
		fmt.Fprintln(out, line)
	}
	total.print(out)
	return total
}

// runPart runs a part, and what failed of it once more.
func runPart(ctx context.Context, p part, out io.Writer) *result {
	r := run(ctx, p.argv, p.env, out)
	again := r.worthAnother()
	for pkg, pattern := range again {
		fmt.Fprintf(out, "-- once more: %s %s\n", pkg, pattern)
		r.amend(pkg, run(ctx, p.again(pkg, pattern), p.env, out))
	}
	return r
}

// run runs one command that prints events, and reads them.
func run(ctx context.Context, argv, env []string, out io.Writer) *result {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	// Asked to stop, not killed: it has guests and namespaces of its own to end.
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	events, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return &result{broken: []string{err.Error()}}
	}
	r := read(events, out)
	if err := cmd.Wait(); err != nil && len(r.failed) == 0 && len(r.broken) == 0 {
		r.broken = append(r.broken, fmt.Sprintf("%v: %v", argv, err))
	}
	return r
}
