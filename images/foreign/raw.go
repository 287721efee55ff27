package foreign

import "ispctl"

// marks of what a bare disk begins with: one of them must be there, or the file
// could be anything.
var rawMarks = []signature{
	{"", 510, "\x55\xaa", "a boot sector"},
	{"", 512, "EFI PART", "a partition table (GPT)"},
	{"", 1080, "\x53\xef", "ext2, ext3 or ext4"},
	{"", 0, "XFSB", "XFS"},
	{"", 65600, "_BHRfS_M", "btrfs"},
}

func judgeRaw(f file) (Image, error) {
	for _, s := range rawMarks {
		found, err := f.has(s.offset, s.magic)
		if err != nil {
			return Image{}, err
		}
		if found {
			return Image{Size: ispctl.Size(f.length), Data: ispctl.Size(f.length)}, nil
		}
	}
	return Image{}, refuse("is no disk: it has no format that is known, no partition table and no file system")
}

// Bootable reports whether a PC's firmware finds something to run in the first
// sector of a disk: the mark, and code before it. A disk for UEFI alone has the
// mark, and zeros.
func Bootable(firstSector []byte) bool {
	return len(firstSector) >= sector && firstSector[510] == 0x55 && firstSector[511] == 0xaa && !isZero(firstSector[:440])
}
