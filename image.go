package ispctl

import "time"

// Image is an immutable disk with the kernel and the initial RAM disk that
// boot it, named by what it contains.
type Image struct {
	Name    Name   // what templates ask for; the newest build bears it
	Digest  string // sha256 of the manifest, 64 hex digits: the directory's name
	Size    Size   // of the disk as the guest sees it
	Cmdline string // kernel command line
	Built   time.Time
}
