// Command labrun runs the tests of packages in a lab: on another kernel than
// the host's. Events as of go test -json go to standard output, what it does to
// standard error. Its exit status is that of the tests; a skipped one counts as
// failed, since the lab promises all that a test may need.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"ispctl/integration/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "labrun:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	name := flag.String("flavour", "debian-12", "machine to run on: debian-12 or debian-13")
	only := flag.String("run", "", "pattern of the tests to run, as of go test")
	fast := flag.Bool("fast", false, "leave out the slowest kernel tests, and let the others be short")
	boot := flag.Bool("boot", false, "boot, even where a saved memory would be quicker")
	timeout := flag.Duration("timeout", 20*time.Minute, "for all tests")
	mirror := flag.String("mirror", os.Getenv("ISPCTL_MIRROR"), "of the Debian archive")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: labrun [flags] [package ...]\nWithout packages: the kernel tests of every layer.")
		flag.PrintDefaults()
	}
	flag.Parse()
	flavour, err := lab.Find(*name)
	if err != nil {
		return err
	}
	var packages []lab.Package
	for _, path := range flag.Args() {
		packages = append(packages, lab.Package{Path: path})
	}
	if len(packages) == 0 {
		if packages, err = lab.KernelRing(ctx); err != nil {
			return err
		}
	}
	if *fast {
		packages = lab.Fast(packages)
	}
	if *only != "" {
		for i := range packages {
			packages[i].Run = *only
		}
	}
	r, err := lab.Run(ctx, flavour, packages, lab.Options{
		Mirror: *mirror, Timeout: *timeout, Short: *fast, Boot: *boot, JSON: os.Stdout,
		Log: func(line string) { fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().Format(time.TimeOnly), line) },
	})
	fmt.Fprintln(os.Stderr, r)
	if err != nil {
		return err
	}
	return r.Err()
}
