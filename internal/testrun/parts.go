package main

import (
	"os/exec"
	"slices"
	"strings"
)

// part is a command that prints events as of `go test -json`.
type part struct {
	name, what string
	argv       []string
	env        []string
	flavour    string                             // of the lab; empty: this host
	again      func(pkg, pattern string) []string // the command for some tests of one package
}

// together are the packages whose tests need neither root nor much of the
// machine: two of them run at a time. Any other package has it to itself.
var together = []string{
	"ispctl", "ispctl/converge", "ispctl/state", "ispctl/zones", "ispctl/templates", "ispctl/vm",
	"ispctl/meter", "ispctl/meter/report", "ispctl/operations", "ispctl/operations/document",
	"ispctl/images/foreign", "ispctl/images/fetch", "ispctl/internal/config", "ispctl/internal/convergetest", "ispctl/internal/docgen",
	"ispctl/internal/prom", "ispctl/internal/testrun",
}

// parts are what `make test` runs, or `make test-all`.
func parts(all bool) []part {
	fast := goTest("pure", "tests without root, two packages at a time", "-p", "2", "-timeout", "10m")
	fast.argv = append(fast.argv, together...)
	whole := goTest("host", "kernel, libvirt and guest rings on this host, one package at a time", "-p", "1", "-timeout", "30m")
	whole.argv = append(whole.argv, others()...)
	core := laboratory("debian-12", "the laws of every layer, VLANs, WireGuard and fq_codel on a stock kernel in QEMU", "-core")
	list := []part{fast, whole, core}
	if !all {
		return list
	}
	for i := range list {
		list[i].env = []string{"ISPCTL_TEST_LONG=1", "ISPCTL_TEST_LAB=1"}
	}
	list[1].argv = slices.Insert(list[1].argv, 3, "-timeout", "90m")
	return append(list,
		at("laws", "the laws at length", []string{"./..."}, "Laws", "-test.count=5"),
		at("confirm", "100 changes left unconfirmed", []string{"./integration"}, "Unconfirmed", "-confirm.trials=100"),
		at("kill", "100 kills, 50 guests at once", []string{"./integration"}, "Killed(Disks)?$|ManyGuests", "-kill.trials=100", "-many.guests=50"),
		at("flood", "1,000 re-applies under a flood", []string{"./integration"}, "ReapplyUnderFlood", "-flood.reapplies=1000"),
		at("rates", "rates at length", []string{"./qos"}, "Rates", "-long"),
		laboratory("debian-12", kernelTests, "-fast"), laboratory("debian-13", kernelTests, "-fast"),
		laboratory("systemd", "a server with systemd and AppArmor, from make install to its shutdown, in QEMU"),
		laboratory("xen", "the life of a PV guest in a dom0 of Xen in QEMU"),
	)
}

func goTest(name, what string, flags ...string) part {
	base := []string{"go", "test", "-json", "-count=1"}
	return part{
		name: name, what: what, argv: slices.Concat(base, flags),
		again: func(pkg, pattern string) []string {
			return slices.Concat(base, []string{"-timeout", "30m", "-run", pattern, pkg})
		},
	}
}

// at is a test at length: the same tests, told to do more.
func at(name, what string, packages []string, pattern string, args ...string) part {
	p := goTest(name, what, "-timeout", "90m", "-run", pattern)
	p.argv = slices.Concat(p.argv, packages, []string{"-args"}, args)
	p.env = []string{"ISPCTL_TEST_LONG=1"}
	again := p.again
	p.again = func(pkg, pattern string) []string {
		return slices.Concat(again(pkg, pattern), []string{"-args"}, args)
	}
	return p
}

const kernelTests = "the kernel tests of every layer on a stock kernel in QEMU"

// laboratory runs tests in a machine of their own. One that failed is run once
// more in a machine that is booted anew.
func laboratory(flavour, what string, flags ...string) part {
	base := slices.Concat([]string{"go", "run", "./integration/lab/labrun", "-flavour", flavour}, flags)
	return part{
		name: flavour, what: what, argv: base, flavour: flavour,
		again: func(pkg, pattern string) []string {
			return slices.Concat(base, []string{"-boot", "-run", pattern, pkg})
		},
	}
}

// others are all packages but those that run together.
func others() []string {
	out, err := exec.Command("go", "list", "./...").Output()
	if err != nil {
		return []string{"./..."} // says what is wrong when it runs
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(pkg string) bool { return slices.Contains(together, pkg) })
}
