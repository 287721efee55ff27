// Command labrun runs the tests of packages in a lab: on another kernel than
// the host's. Events as of go test -json go to standard output, what it does to
// standard error. Its exit status is that of the tests; a skipped one counts as
// failed, since the lab promises all that a test may need.
package main

import (
	"cmp"
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
	name := flag.String("flavour", "debian-12", "machine to run on: debian-12, debian-13, systemd or xen")
	only := flag.String("run", "", "pattern of the tests to run, as of go test")
	fast := flag.Bool("fast", false, "leave out the slowest kernel tests, and let the others be short")
	core := flag.Bool("core", false, "run only the laws of every layer and what tries a feature that few kernels have, short")
	boot := flag.Bool("boot", false, "boot, even where a saved memory would be quicker")
	timeout := flag.Duration("timeout", 45*time.Minute, "for all tests, on a machine that may be busy")
	mirror := flag.String("mirror", cmp.Or(os.Getenv("ISPCTL_MIRROR"), lab.Archive), "of the Debian archive")
	build := flag.Bool("build", false, "only build the machine's file system, unless it is in the cache, and say where it is")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: labrun [flags] [package ...]\nWithout packages: the kernel tests of every layer, or what the machine is for.")
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
	log := func(line string) { fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().Format(time.TimeOnly), line) }
	if *build {
		dir, err := lab.Build(ctx, flavour, lab.Options{Mirror: *mirror, Log: log})
		if err == nil {
			fmt.Println(dir)
		}
		return err
	}
	bring := ""
	if flavour.Scenario != "" {
		if bring, err = scenarioFiles(ctx, flavour, *mirror, log); err != nil {
			return err
		}
		if len(packages) == 0 {
			packages = []lab.Package{{Path: flavour.Scenario}}
		}
	}
	if len(packages) == 0 {
		if packages, err = lab.KernelRing(ctx); err != nil {
			return err
		}
	}
	switch {
	case *core && flag.NArg() == 0:
		packages = lab.Core(packages)
	case *fast:
		packages = lab.Fast(packages)
	}
	if *only != "" {
		for i := range packages {
			packages[i].Run = *only
		}
	}
	r, err := lab.RunTwice(ctx, flavour, packages, lab.Options{
		Mirror: *mirror, Timeout: *timeout, Short: *fast || *core, Boot: *boot, JSON: os.Stdout, Bring: bring, Log: log,
	})
	fmt.Fprintln(os.Stderr, r)
	if err != nil {
		return err
	}
	return r.Err()
}
