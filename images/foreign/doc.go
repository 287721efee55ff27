// Package foreign judges disk images that others made, before any program that
// was not written against enemies opens them. It reads headers and tables, and
// says what the file is and how large a disk it holds, or why it is refused.
//
// A disk image is a program for whoever reads it. qcow2, VMDK, VHD, VHDX and VDI
// can all say "the rest is in that other file", which makes them a window to
// every file that the reader may open; their tables can point anywhere, or all
// to one place, so that a small file becomes an endless disk. So the rule is: a
// file is one disk, whole, in itself, and its tables lie where they say and are
// no longer than its disk needs. What a format can do beyond that is refused by
// name, and so is what this package does not know.
//
// The formats: QEMU's docs/interop/qcow2.rst; VMware's "Virtual Disk Format 5.0"
// technical note; Microsoft's "Virtual Hard Disk Image Format Specification" and
// [MS-VHDX]; VirtualBox's VDICore.h; ECMA-119 (ISO 9660).
package foreign
