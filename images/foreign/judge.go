package foreign

import (
	"bytes"
	"fmt"
	"io"

	"ispctl"
)

// Format is what a file turned out to be.
type Format string

// The formats: of disks, of one file in another, and of archives.
const (
	Raw   Format = "raw"
	QCOW2 Format = "qcow2"
	VMDK  Format = "vmdk"
	VHD   Format = "vhd"
	VHDX  Format = "vhdx"
	VDI   Format = "vdi"

	Gzip Format = "gzip"
	XZ   Format = "xz"
	Zstd Format = "zstd"
	Tar  Format = "tar"
	Zip  Format = "zip"
)

// Driver is what QEMU calls the format, for its option -f.
func (f Format) Driver() string {
	if f == VHD {
		return "vpc"
	}
	return string(f)
}

// Compressed reports whether another file is inside, and nothing else.
func (f Format) Compressed() bool { return f == Gzip || f == XZ || f == Zstd }

// Archive reports whether several files may be inside.
func (f Format) Archive() bool { return f == Tar || f == Zip }

// Image is what a judge found.
type Image struct {
	Format Format
	Size   ispctl.Size // of the disk; 0 for what holds no disk itself

	// Data is the most that the disk can hold which is not zero: what
	// there must be room for.
	Data ispctl.Size
}

// signature is how a format is known.
type signature struct {
	format Format // empty: it is refused, for the reason why
	offset int64
	magic  string
	why    string
}

// signatures are looked for in this order. The formats that are refused are
// those that nobody offers images in, and those that are no disks.
var signatures = []signature{
	{QCOW2, 0, "QFI\xfb", ""},
	{VMDK, 0, "KDMV", ""},
	{VHDX, 0, "vhdxfile", ""},
	{VHD, 0, "conectix", ""},
	{VDI, 64, "\x7f\x10\xda\xbe", ""},
	{Gzip, 0, "\x1f\x8b", ""},
	{XZ, 0, "\xfd7zXZ\x00", ""},
	{Zstd, 0, "\x28\xb5\x2f\xfd", ""},
	{Zip, 0, "PK\x03\x04", ""},
	{Tar, 257, "ustar", ""},

	{"", 0, "# Disk DescriptorFile", "is a VMDK descriptor: the disk is in other files that it names"},
	{"", 0, "COWD", "is a VMDK of ESX, whose disk may be in other files"},
	{"", 0, "QED\x00", "is in format QED, which can name a backing file"},
	{"", 0, "OOOM", "is a copy-on-write file of User-mode Linux, which names another file"},
	{"", 0, "WithoutFreeSpace", "is in format Parallels"},
	{"", 0, "WithouFreSpacExt", "is in format Parallels"},
	{"", 0, "Bochs Virtual HD Image", "is in format Bochs"},
	{"", 0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop", "is in format cloop"},
	{"", 0, "LUKS\xba\xbe", "is encrypted (LUKS)"},
	{"", 32769, "CD001", "is an ISO 9660 image: an installation medium, not an installed disk"},
	{"", 32769, "BEA01", "is a UDF image: an installation medium, not an installed disk"},
	{"", 0, "hsqs", "is a squashfs: a file system without a disk"},
	{"", 0, "BZh", "is compressed by bzip2: unpack it first"},
	{"", 0, "7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it first"},
	{"", 0, "Rar!\x1a\x07", "is a RAR archive: unpack it first"},
	{"", 0, "\x04\x22\x4d\x18", "is compressed by lz4: unpack it first"},
	{"", 0, "!<arch>\n", "is an ar archive, or a Debian package"},
	{"", 0, "070701", "is a cpio archive: an initial RAM disk, not a disk"},
	{"", 0, "\x7fELF", "is a program, not a disk"},
	{"", 0, "MZ", "is a program for Windows or EFI, not a disk"},
	{"", 0, "<", "is a web page or XML, not a disk: look at what the server sent"},
}

// Judge reads the head, and the tables, of a file of that many bytes, which may
// hold a disk up to the largest. An error is of kind [ispctl.Usage] and says why
// the file is refused, in words that follow its name; or it is that of reading.
func Judge(r io.ReaderAt, length int64, largest ispctl.Size) (Image, error) {
	f := file{r, length, min(largest, ispctl.MaxDisk)}
	for _, s := range signatures {
		found, err := f.has(s.offset, s.magic)
		if err != nil {
			return Image{}, err
		}
		if !found {
			continue
		}
		if s.format == "" {
			return Image{}, refuse("%s", s.why)
		}
		return judgeAs(f, s.format)
	}
	if length < sector {
		return Image{}, refuse("has %d bytes: too few for any disk", length)
	}
	// Of two formats the mark is, or is also, at the end.
	for _, tail := range []struct {
		offset int64
		magic  string
		format Format
	}{{512, "conectix", VHD}, {511, "conectix", VHD}, {512, "koly", ""}} {
		found, err := f.has(length-tail.offset, tail.magic)
		switch {
		case err != nil:
			return Image{}, err
		case found && tail.format == "":
			return Image{}, refuse("is in format DMG")
		case found:
			return judgeAs(f, tail.format)
		}
	}
	return judgeAs(f, Raw)
}

func judgeAs(f file, format Format) (Image, error) {
	var judge func(file) (Image, error)
	switch format {
	case QCOW2:
		judge = judgeQCOW2
	case VMDK:
		judge = judgeVMDK
	case VHD:
		judge = judgeVHD
	case VHDX:
		judge = judgeVHDX
	case VDI:
		judge = judgeVDI
	case Raw:
		judge = judgeRaw
	default:
		return Image{Format: format}, nil
	}
	image, err := judge(f)
	if err != nil {
		return Image{}, err
	}
	if err := f.checkSize(uint64(image.Size)); err != nil {
		return Image{}, err
	}
	image.Format = format
	image.Data = min(image.Data, image.Size)
	return image, nil
}

// sector is the unit of disks, and of most tables here.
const sector = 512

// file is what is judged. Everything is read within its length, so that what
// lies beyond is a fault of the file and not an end of it.
type file struct {
	r       io.ReaderAt
	length  int64
	largest ispctl.Size
}

// checkSize judges the size of the disk, before tables are read that may be as
// long as it asks for.
func (f file) checkSize(size uint64) error {
	switch {
	case size == 0 || size%sector != 0:
		return refuse("says that its disk has %d bytes: no whole number of sectors", size)
	case size > uint64(f.largest):
		return refuse("says that its disk has %d bytes, beyond the %s that are allowed", size, f.largest)
	}
	return nil
}

// at reads n bytes at an offset that the file itself may have named.
func (f file) at(offset, n int64, what string) ([]byte, error) {
	if offset < 0 || n < 0 || offset > f.length || n > f.length-offset {
		return nil, refuse("has its %s at %d, %d bytes long, beyond its own end at %d", what, offset, n, f.length)
	}
	b := make([]byte, n)
	got, err := f.r.ReadAt(b, offset)
	if int64(got) == n {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", what, err)
	}
	return b, nil
}

func (f file) has(offset int64, magic string) (bool, error) {
	if offset < 0 || offset > f.length-int64(len(magic)) {
		return false, nil
	}
	b, err := f.at(offset, int64(len(magic)), "mark")
	return string(b) == magic, err
}

// refuse is a reason, as words that follow the name of the file.
func refuse(format string, args ...any) error {
	return &ispctl.Error{Kind: ispctl.Usage, Cause: fmt.Sprintf(format, args...)}
}

// printable is a text from a file in a message: short, and with nothing in it
// that a terminal would obey.
func printable(b []byte) string {
	const most = 80
	b = bytes.TrimRight(b, "\x00")
	if len(b) > most {
		b = b[:most]
	}
	return fmt.Sprintf("%q", b)
}

// named is the name that a file gives of another, for a message; empty where it
// lies.
func (f file) named(offset uint64, n uint32) string {
	if offset == 0 || n == 0 || offset > uint64(f.length) {
		return ""
	}
	b, err := f.at(int64(offset), min(int64(n), f.length-int64(offset)), "name")
	if err != nil {
		return ""
	}
	return " (" + printable(b) + ")"
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
