package ispctl

import "time"

// Image is an immutable disk, named by what it contains, with the kernel and the
// initial RAM disk that boot it, or with a boot loader of its own.
type Image struct {
	Name    Name   // what templates ask for; the newest build bears it
	Digest  string // sha256 of the manifest, 64 hex digits: the directory's name
	Size    Size   // of the disk as the guest sees it
	Cmdline string // kernel command line
	Built   time.Time

	// DiskBoot: the firmware runs the disk's own boot loader. Otherwise the
	// hypervisor loads the kernel, which takes neither.
	DiskBoot bool
}
