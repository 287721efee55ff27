package lab

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// elsewhere are packages whose tests try what a kernel does, and yet do not
// belong in a machine of these flavours.
var elsewhere = map[string]string{
	"ispctl/integration":     "boots guests: machines in a machine",
	"ispctl/integration/lab": "is the lab",
	"ispctl/templates":       "tries cloud-init, which is no kernel",
	"ispctl/vm":              "pure",
	"ispctl/vm/libvirtd":     "needs libvirt, which these flavours have not",
}

// onlySome are packages of which not all tests belong here.
var onlySome = map[string]string{
	"ispctl/images": "Laws", // the others build images, which takes a Debian mirror
}

// signs are how a test of the kernel ring is told from others.
var signs = []string{"testkit.NetNS(", "testkit.Need(", "convergetest.Laws(", ".LawsOnKernel("}

// KernelRing lists the packages whose tests try the kernel. A new layer is
// found by what its tests call, without being named here.
func KernelRing(ctx context.Context) ([]Package, error) {
	out, err := goOutput(ctx, "list", buildTags, "-f", `{{.ImportPath}} {{.Dir}} {{join .TestGoFiles " "}} {{join .XTestGoFiles " "}}`, "ispctl/...")
	if err != nil {
		return nil, err
	}
	var packages []Package
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		pkg, dir, files := fields[0], fields[1], fields[2:]
		if _, other := elsewhere[pkg]; other {
			continue
		}
		kernel := pkg == "ispctl/internal/testkit" // its own tests need no prefix
		var errs []error
		for _, name := range files {
			text, err := os.ReadFile(filepath.Join(dir, name))
			errs = append(errs, err)
			kernel = kernel || slices.ContainsFunc(signs, func(sign string) bool { return bytes.Contains(text, []byte(sign)) })
		}
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		if kernel {
			packages = append(packages, Package{Path: pkg, Run: onlySome[pkg]})
		}
	}
	return packages, nil
}
