package images

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ispctl/internal/testkit"
)

// hostileFile is a file that must not become an image.
type hostileFile struct {
	name string
	want string // in the reason
	make func(path string)
}

// mostHostile is how large the disks of the hostile files may be.
const mostHostile = 64 << 20

// corpus makes files that are wrong in one way each, out of sound ones that
// qemu-img writes. The secret is a file that some of them point to.
type corpus struct {
	t      testing.TB
	dir    string // of the sound files
	secret string
}

// newCorpus writes a sound file of each format, with a disk of 1 MiB: they are
// called after the format.
func newCorpus(t testing.TB, secret string) *corpus {
	t.Helper()
	c := &corpus{t: t, dir: t.TempDir(), secret: secret}
	disk := bootable(1 << 20)
	for i := 600; i < len(disk); i += 4096 {
		disk[i] = 1 // no cluster is empty
	}
	writeFile(t, c.sound("raw"), disk)
	for name, options := range map[string][]string{
		"qcow2":   {"-O", "qcow2"},
		"qcow2-2": {"-O", "qcow2", "-o", "compat=0.10"},
		"qcow2-c": {"-O", "qcow2", "-c"},
		"qcow2-z": {"-O", "qcow2", "-c", "-o", "compression_type=zstd"},
		"vmdk":    {"-O", "vmdk"},
		"vmdk-s":  {"-O", "vmdk", "-o", "subformat=streamOptimized"},
		"vhd":     {"-O", "vpc"},
		"vhd-f":   {"-O", "vpc", "-o", "subformat=fixed"},
		"vhdx":    {"-O", "vhdx", "-o", "block_size=1M"},
		"vhdx-f":  {"-O", "vhdx", "-o", "subformat=fixed"},
		"vdi":     {"-O", "vdi"},
		"vdi-f":   {"-O", "vdi", "-o", "static=on"},
	} {
		testkit.Sh(t, slices.Concat([]string{"qemu-img", "convert", "-f", "raw"}, options, []string{c.sound("raw"), c.sound(name)})...)
	}
	// Small clusters, so that a small disk has several tables.
	testkit.Sh(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", "cluster_size=512", c.sound("raw"), c.sound("qcow2-512"))
	// Two blocks, so that there are two to confuse.
	writeFile(t, c.sound("raw-4"), bytes.Repeat(disk, 4))
	for name, options := range map[string][]string{
		"vhd-4": {"-O", "vpc", "-o", "force_size=on"}, "vhdx-4": {"-O", "vhdx", "-o", "block_size=1M"}, "vdi-4": {"-O", "vdi"},
	} {
		testkit.Sh(t, slices.Concat([]string{"qemu-img", "convert", "-f", "raw"}, options, []string{c.sound("raw-4"), c.sound(name)})...)
	}
	// As VMware streams it: the header says that the directory's place is in a
	// footer, between a mark and the end of the stream.
	stream := c.read("vmdk-s")
	foot := slices.Clone(stream[:512])
	binary.LittleEndian.PutUint64(stream[56:], 1<<64-1)
	mark := make([]byte, 512)
	mark[0], mark[12] = 1, 3
	writeFile(t, c.sound("vmdk-f"), slices.Concat(stream, make([]byte, (512-len(stream)%512)%512), mark, foot, make([]byte, 512)))
	return c
}

// bootable is a disk that firmware would run.
func bootable(size int) []byte {
	disk := make([]byte, size)
	copy(disk, "\xeb\xfe") // jmp .
	copy(disk[510:], "\x55\xaa")
	return disk
}

func (c *corpus) sound(name string) string { return filepath.Join(c.dir, name) }

func (c *corpus) read(name string) []byte {
	c.t.Helper()
	data, err := os.ReadFile(c.sound(name))
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// changed is a sound file with a change made to it.
func (c *corpus) changed(from string, change func(b []byte) []byte) func(string) {
	return func(path string) { writeFile(c.t, path, change(c.read(from))) }
}

// be64 and so on put a number at an offset.
func (c *corpus) be64(from string, offset int, v uint64) func(string) {
	return c.changed(from, func(b []byte) []byte { binary.BigEndian.PutUint64(b[offset:], v); return b })
}

func (c *corpus) be32(from string, offset int, v uint32) func(string) {
	return c.changed(from, func(b []byte) []byte { binary.BigEndian.PutUint32(b[offset:], v); return b })
}

func (c *corpus) le64(from string, offset int, v uint64) func(string) {
	return c.changed(from, func(b []byte) []byte { binary.LittleEndian.PutUint64(b[offset:], v); return b })
}

func (c *corpus) le32(from string, offset int, v uint32) func(string) {
	return c.changed(from, func(b []byte) []byte { binary.LittleEndian.PutUint32(b[offset:], v); return b })
}

// text replaces one text by another of the same length, or a shorter one.
func (c *corpus) text(from, old, new string) func(string) {
	return c.changed(from, func(b []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			c.t.Fatalf("%s has no %q", from, old)
		}
		return bytes.Replace(b, []byte(old), []byte(new+strings.Repeat("\n", len(old)-len(new))), 1)
	})
}

// sh runs a program on the path.
func (c *corpus) sh(argv ...string) func(string) {
	return func(path string) {
		c.t.Helper()
		all := make([]string, len(argv))
		for i, a := range argv {
			all[i] = strings.ReplaceAll(a, "PATH", path)
		}
		testkit.Sh(c.t, all...)
	}
}

// luks tries again: QEMU measures how fast it is, and gives up where the processor
// seems to stand still.
const luks = `for i in 1 2 3 4 5 6 7 8; do
	qemu-img create -q -f qcow2 --object secret,id=s,data=x -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 "$1" 1M && exit 0
done
exit 1`

func (c *corpus) qcow2() []hostileFile {
	// The L1 table, and the first L2 table, of the file with small clusters.
	small := c.read("qcow2-512")
	l1 := int(binary.BigEndian.Uint64(small[40:]))
	entry := func(at int) uint64 { return binary.BigEndian.Uint64(small[at:]) }
	l2 := int(entry(l1) & 0x00fffffffffffe00)
	packed := c.read("qcow2-c")
	packedL2 := int(binary.BigEndian.Uint64(packed[binary.BigEndian.Uint64(packed[40:]):]) & 0x00fffffffffffe00)
	backing := func(name string) func(string) {
		return c.changed("qcow2", func(b []byte) []byte {
			binary.BigEndian.PutUint64(b[8:], 1024)
			binary.BigEndian.PutUint32(b[16:], uint32(len(name)))
			copy(b[1024:], name)
			return b
		})
	}
	extension := func(kind, length uint32) func(string) {
		return c.changed("qcow2", func(b []byte) []byte {
			at := binary.BigEndian.Uint32(b[100:])
			binary.BigEndian.PutUint32(b[at:], kind)
			binary.BigEndian.PutUint32(b[at+4:], length)
			return b
		})
	}
	return []hostileFile{
		{"a backing file", "has a backing file (\"" + c.secret, c.sh("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", c.secret, "PATH", "1M")},
		{"a relative backing file", "has a backing file (\"../", backing("../../../../../.." + c.secret)},
		{"a backing file in JSON", "has a backing file (\"json:", backing(`json:{"driver":"raw","file":{"driver":"file","filename":"` + c.secret + `"}}`)},
		{"a backing file on the network", "has a backing file (\"nbd", backing("nbd://127.0.0.1:10809/secret")},
		{"a backing file that is a device", "has a backing file", backing("/dev/vda")},
		{"a backing file named beyond the end", "has a backing file", c.be64("qcow2", 8, 1<<50)},
		{"a name of a terminal's commands", `("\x1b]0;x\a")`, backing("\x1b]0;x\a")},
		{"a data file", "has its data in another file", func(path string) {
			testkit.Sh(c.t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file="+path+".data", path, "1M")
			if err := os.Remove(path + ".data"); err != nil {
				c.t.Fatal(err)
			}
		}},
		{"a data file's name alone", "has its data in another file", extension(0x44415441, 4)},
		{"a header of encryption", "is encrypted", extension(0x0537be77, 16)},
		{"an unknown header extension", "0x12345678 that is not known", extension(0x12345678, 0)},
		{"a header extension beyond the cluster", "beyond its first cluster", extension(0x6803f857, 1<<31)},
		{"a bitmap", "has bitmaps", func(path string) {
			c.changed("qcow2", func(b []byte) []byte { return b })(path)
			testkit.Sh(c.t, "qemu-img", "bitmap", "--add", "-f", "qcow2", path, "b0")
		}},
		{"encrypted by AES", "is encrypted (method 1)", c.be32("qcow2", 32, 1)},
		{"encrypted by LUKS", "is encrypted (method 2)", c.sh("sh", "-c", luks, "sh", "PATH")},
		{"a snapshot", "has 1 snapshots inside", func(path string) {
			c.changed("qcow2", func(b []byte) []byte { return b })(path)
			testkit.Sh(c.t, "qemu-img", "snapshot", "-c", "s0", path)
		}},
		{"four billion snapshots", "has 4294967295 snapshots", c.be32("qcow2", 60, 1<<32-1)},
		{"a disk of 4 EiB", "beyond the 64MiB that are allowed", c.be64("qcow2", 24, 1<<62)},
		{"a disk of a negative size", "beyond the 64MiB", c.be64("qcow2", 24, 1<<64-512)},
		{"a disk just too large", "beyond the 64MiB", c.be64("qcow2", 24, mostHostile+512)},
		{"a disk of nothing", "no whole number of sectors", c.be64("qcow2", 24, 0)},
		{"a disk of half a sector", "no whole number of sectors", c.be64("qcow2", 24, 1<<20+256)},
		{"clusters of a GiB", "clusters of 2^30", c.be32("qcow2", 20, 30)},
		{"clusters of 2^4294967295", "clusters of 2^4294967295", c.be32("qcow2", 20, 1<<32-1)},
		{"clusters of 256 bytes", "clusters of 2^8", c.be32("qcow2", 20, 8)},
		{"an L1 table of 2 Gi entries", "L1 table of 2147483647", c.be32("qcow2", 36, 1<<31-1)},
		{"no L1 table", "L1 table of 0", c.be32("qcow2", 36, 0)},
		{"an L1 table beyond the end", "L1 table at 1099511627776, beyond its own end", c.be64("qcow2", 40, 1<<40)},
		{"an L1 table at an odd place", "which is no cluster", c.be64("qcow2", 40, 12345)},
		{"an L1 table at the end of numbers", "L1 table at", c.be64("qcow2", 40, 1<<64-1<<16)},
		{"reference counts beyond the end", "reference counts at", c.be64("qcow2", 48, 1<<40)},
		{"four billion clusters of reference counts", "clusters of reference counts", c.be32("qcow2", 56, 1<<32-1)},
		{"reference counts of 2^60 bits", "2^60 bits", c.be32("qcow2", 96, 60)},
		{"left dirty", "was not closed properly", c.be64("qcow2", 72, 1)},
		{"marked as corrupt", "marked as corrupt", c.be64("qcow2", 72, 2)},
		{"extended L2 entries", "extended L2 entries", c.sh("qemu-img", "create", "-q", "-f", "qcow2", "-o", "extended_l2=on", "PATH", "1M")},
		{"a feature of tomorrow", "incompatible features 0x8000", c.be64("qcow2", 72, 1<<15)},
		{"compressed by method 7", "method 7", c.changed("qcow2-z", func(b []byte) []byte { b[104] = 7; return b })},
		{"version 1", "version 1", c.be32("qcow2", 4, 1)},
		{"version 99", "version 99", c.be32("qcow2", 4, 99)},
		{"a header of a megabyte", "its header has 1048576 bytes", c.be32("qcow2", 100, 1<<20)},
		{"an L2 table beyond the end", "L2 table at", c.be64("qcow2-512", l1, 1<<40|1<<63)},
		{"an L2 table at an odd place", "L2 table", c.be64("qcow2", int(binary.BigEndian.Uint64(c.read("qcow2")[40:])), 1<<16+512)},
		{"one L2 table for two stretches", "twice", c.be64("qcow2-512", l1+8, entry(l1))},
		{"an L2 table that is the header", "its cluster", c.be64("qcow2-512", l2, uint64(l2)|1<<63)},
		{"data beyond the end", "data at", c.be64("qcow2-512", l2, 1<<40|1<<63)},
		{"one cluster for two stretches", "twice", c.be64("qcow2-512", l2+8, entry(l2))},
		{"compressed data beyond the end", "compressed cluster at", c.be64("qcow2-c", packedL2, 1<<62|1<<40)},
		{"its second half cut off", "beyond its own end", c.changed("qcow2", func(b []byte) []byte { return b[:len(b)/2] })},
		{"a header and no more", "beyond its own end", c.changed("qcow2", func(b []byte) []byte { return b[:512] })},
	}
}

func (c *corpus) vmdk() []hostileFile {
	descriptor := func(lines ...string) func(string) {
		return func(path string) {
			writeFile(c.t, path, []byte("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"+strings.Join(lines, "\n")+"\n"+strings.Repeat("#\n", 300)))
		}
	}
	footed := func(change func(foot []byte)) func(string) {
		return c.changed("vmdk-f", func(b []byte) []byte { change(b[len(b)-1024:]); return b })
	}
	return []hostileFile{
		{"a descriptor of a flat file", "names", descriptor(`createType="monolithicFlat"`, `RW 2048 FLAT "`+c.secret+`" 0`)},
		{"a descriptor of a device", "names", descriptor(`createType="fullDevice"`, `RW 2048 FLAT "/dev/vda" 0`)},
		{"a descriptor of itself and others", "names", descriptor(`createType="twoGbMaxExtentSparse"`, `RW 2048 SPARSE "x.vmdk"`, `RW 2048 SPARSE "../../secret"`)},
		{"an extent in a flat file", "extent in another file", c.text("vmdk", `RW 2048 SPARSE "vmdk"`, `RW 2048 FLAT "/x" 0`)},
		{"two extents", "has 2 extents", c.text("vmdk", "# The Disk Data Base\n#DDB", "RW 9 SPARSE \"/x\"")},
		{"no extent", "has 0 extents", c.text("vmdk", `RW 2048 SPARSE "vmdk"`, "")},
		{"a parent by its number", "has a parent", c.text("vmdk", "parentCID=ffffffff", "parentCID=12345678")},
		{"a parent by its name", "has a parent", c.text("vmdk", "# The Disk Data Base\n#DDB", "parentFileNameHint=\"/x\"")},
		{"a parent with blanks about", "has a parent", c.text("vmdk", "# The Disk Data Base\n#DDB", " PARENTFILENAMEHINT = /x")},
		{"of a type in several files", "of type", c.text("vmdk", `createType="monolithicSparse"`, `createType="vmfsSparse"`)},
		{"no disk of its own", "has no disk of its own", c.le64("vmdk", 12, 0)},
		{"a disk of 2^64 sectors", "sectors", c.le64("vmdk", 12, 1<<64-1)},
		{"a disk just too large", "beyond the 64MiB", c.le64("vmdk", 12, mostHostile/512+8)},
		{"grains of three sectors", "grains of 3", c.le64("vmdk", 20, 3)},
		{"grains of 2^60 sectors", "grains of", c.le64("vmdk", 20, 1<<60)},
		{"tables of 2^31 entries", "tables of 2147483648", c.le32("vmdk", 44, 1<<31)},
		{"a directory beyond the end", "grain directory at sector", c.le64("vmdk", 56, 1<<40)},
		{"no directory", "no grain directory", c.le64("vmdk", 56, 0)},
		{"no descriptor", "no descriptor of its own", c.le64("vmdk", 28, 0)},
		{"a descriptor beyond the end", "has a descriptor of", c.le64("vmdk", 28, 1<<40)},
		{"version 9", "version 9", c.le32("vmdk", 4, 9)},
		{"a footer that is not there", "no footer", c.le64("vmdk", 56, 1<<64-1)},
		{"a footer that says something else", "contradicts", footed(func(foot []byte) { foot[12]++ })},
		{"a footer that has no disk", "contradicts", footed(func(foot []byte) { clear(foot[12:20]) })},
		{"a footer that has another descriptor", "contradicts", footed(func(foot []byte) { foot[28]++ })},
		{"a footer that leads to a footer", "points to a footer", footed(func(foot []byte) { binary.LittleEndian.PutUint64(foot[56:], 1<<64-1) })},
		{"a footer in two places", "in two places", c.changed("vmdk-f", func(b []byte) []byte { return append(b, 0) })},
		{"of an ESX server", "VMDK of ESX", func(path string) { writeFile(c.t, path, append([]byte("COWD"), make([]byte, 4096)...)) }},
	}
}

// vhdSum puts the checksum of a VHD's footer, or of its dynamic header, right.
func vhdSum(b []byte, at int) {
	binary.BigEndian.PutUint32(b[at:], 0)
	var sum uint32
	for _, c := range b {
		sum += uint32(c)
	}
	binary.BigEndian.PutUint32(b[at:], ^sum)
}

func (c *corpus) vhd() []hostileFile {
	both := func(from string, change func(foot []byte)) func(string) {
		return c.changed(from, func(b []byte) []byte {
			for _, foot := range [][]byte{b[:512], b[len(b)-512:]} {
				if string(foot[:8]) == "conectix" {
					change(foot)
					vhdSum(foot, 64)
				}
			}
			return b
		})
	}
	header := func(change func(h, file []byte)) func(string) {
		return c.changed("vhd-4", func(b []byte) []byte {
			change(b[512:1536], b)
			vhdSum(b[512:1536], 36)
			return b
		})
	}
	be := binary.BigEndian
	return []hostileFile{
		{"a differencing disk", "differencing", both("vhd", func(f []byte) { be.PutUint32(f[60:], 4) })},
		{"of type 9", "type 9", both("vhd", func(f []byte) { be.PutUint32(f[60:], 9) })},
		{"a wrong checksum", "checksum is wrong", c.changed("vhd", func(b []byte) []byte { b[100]++; return b })},
		{"two footers that differ", "contradicts", c.changed("vhd", func(b []byte) []byte { b[len(b)-400]++; return b })},
		{"a disk of 2^60 bytes", "beyond the 64MiB", both("vhd", func(f []byte) { be.PutUint64(f[48:], 1<<60) })},
		{"a geometry of 31 GiB", "geometry", both("vhd", func(f []byte) { copy(f[56:], "\xff\xff\x10\x3f") })},
		{"a dynamic header beyond the end", "dynamic header at", both("vhd", func(f []byte) { be.PutUint64(f[16:], 1<<50) })},
		{"no dynamic header", "no dynamic header", both("vhd", func(f []byte) { be.PutUint64(f[16:], 0) })},
		{"a parent's name", "names a parent", header(func(h, _ []byte) { copy(h[64:], "\x00/\x00x") })},
		{"a parent's place", "names a parent", header(func(h, _ []byte) { copy(h[576:], "W2ru") })},
		{"a table beyond the end", "block table at", header(func(h, _ []byte) { be.PutUint64(h[16:], 1<<50) })},
		{"a table of 2^32 blocks", "for a disk of", header(func(h, _ []byte) { be.PutUint32(h[28:], 1<<32-1) })},
		{"blocks of three bytes", "blocks of 3", header(func(h, _ []byte) { be.PutUint32(h[32:], 3) })},
		{"one block twice", "twice", header(func(h, b []byte) { at := be.Uint64(h[16:]); copy(b[at+4:], b[at:at+4]) })},
		{"a block beyond the end", "has a block at", header(func(h, b []byte) { be.PutUint32(b[be.Uint64(h[16:]):], 1<<30) })},
		{"fixed, and shorter than it says", "and holds", c.changed("vhd-f", func(b []byte) []byte { return b[len(b)-4608:] })},
	}
}

// vhdxSum puts the checksum of a structure of a VHDX right.
func vhdxSum(b []byte) {
	binary.LittleEndian.PutUint32(b[4:], 0)
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

func (c *corpus) vhdx() []hostileFile {
	le := binary.LittleEndian
	const head1, head2, region1, region2 = 64 << 10, 128 << 10, 192 << 10, 256 << 10
	// The regions are in the order BAT, metadata, or the other one.
	region := func(b []byte, guid byte) uint64 {
		for _, at := range []int{region1 + 16, region1 + 48} {
			if b[at] == guid {
				return le.Uint64(b[at+16:])
			}
		}
		c.t.Fatal("no such region")
		return 0
	}
	bat := func(b []byte) []byte { return b[region(b, 0x66):] }
	item := func(b []byte, guid byte) []byte {
		meta := b[region(b, 0x06):]
		for i := 32; ; i += 32 {
			if meta[i] == guid {
				return meta[le.Uint32(meta[i+16:]):]
			}
		}
	}
	changed := func(change func(b []byte)) func(string) {
		return c.changed("vhdx-4", func(b []byte) []byte {
			change(b)
			vhdxSum(b[head1 : head1+4096])
			vhdxSum(b[head2 : head2+4096])
			vhdxSum(b[region1 : region1+65536])
			vhdxSum(b[region2 : region2+65536])
			return b
		})
	}
	return []hostileFile{
		{"a parent", "has a parent", changed(func(b []byte) { item(b, 0x37)[4] |= 2 })},
		{"where a parent is", "a parent's or not known", changed(func(b []byte) {
			copy(b[region(b, 0x06)+32:], "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c")
		})},
		{"a log", "has a log", changed(func(b []byte) { b[head1+48], b[head2+48] = 1, 1 })},
		{"no sound header", "no sound header", c.changed("vhdx-4", func(b []byte) []byte { b[head1+100]++; b[head2+100]++; return b })},
		{"version 7", "version 7", changed(func(b []byte) { b[head1+66], b[head2+66] = 7, 7 })},
		{"a region beyond the end", "has a region at", changed(func(b []byte) { le.PutUint64(b[region1+32:], 1<<50); le.PutUint64(b[region2+32:], 1<<50) })},
		{"two tables of regions that differ", "contradict", changed(func(b []byte) { le.PutUint64(b[region2+32:], 1<<20) })},
		{"a damaged table of regions", "not sound", c.changed("vhdx-4", func(b []byte) []byte { b[region1+100]++; return b })},
		{"four billion regions", "not sound", changed(func(b []byte) { le.PutUint32(b[region1+8:], 1<<32-1); le.PutUint32(b[region2+8:], 1<<32-1) })},
		{"a region of nobody's", "not known", changed(func(b []byte) { b[region1+16]++; b[region2+16]++ })},
		{"a disk of 2^60 bytes", "beyond the 64MiB", changed(func(b []byte) { le.PutUint64(item(b, 0x24), 1<<60) })},
		{"blocks of a byte", "blocks of 1 bytes", changed(func(b []byte) { le.PutUint32(item(b, 0x37), 1) })},
		{"sectors of a byte", "sectors of 1", changed(func(b []byte) { le.PutUint32(item(b, 0x1d), 1) })},
		{"metadata beyond their region", "beyond their region", changed(func(b []byte) { le.PutUint32(b[region(b, 0x06)+32+16:], 1<<31) })},
		{"a block beyond the end", "has a block at", changed(func(b []byte) { le.PutUint64(bat(b), 6|1<<50) })},
		{"one block twice", "twice", changed(func(b []byte) { copy(bat(b)[8:16], bat(b)[:8]) })},
		{"a block in part a parent's", "in part in a parent", changed(func(b []byte) { bat(b)[0] |= 7 })},
	}
}

func (c *corpus) vdi() []hostileFile {
	table := func(i int) int { return int(binary.LittleEndian.Uint32(c.read("vdi-4")[340:])) + 4*i }
	return []hostileFile{
		{"a differencing disk", "type 4", c.le32("vdi", 76, 4)},
		{"an undo disk", "type 3", c.le32("vdi", 76, 3)},
		{"a parent", "has a parent", c.le32("vdi", 440, 1)},
		{"a link", "has a parent", c.le32("vdi", 424, 1)},
		{"version 9", "version 0x9", c.le32("vdi", 68, 9)},
		{"a disk of 2^60 bytes", "beyond the 64MiB", c.le64("vdi", 368, 1<<60)},
		{"blocks of three bytes", "blocks of 3", c.le32("vdi", 376, 3)},
		{"more blocks than its disk has", "blocks for a disk", c.le32("vdi", 384, 1<<31)},
		{"more stored than it has", "are stored", c.le32("vdi", 388, 1<<31)},
		{"a table beyond the end", "block table at", c.le32("vdi", 340, 1<<31)},
		{"data over the table", "has its data at", c.le32("vdi", 344, 512)},
		{"one block twice", "twice", c.le32("vdi-4", table(1), 0)},
		{"a block it does not store", "and stores", c.le32("vdi-4", table(0), 77)},
	}
}

// others are no disks.
func (c *corpus) others() []hostileFile {
	text := func(s string) func(string) {
		return func(path string) { writeFile(c.t, path, []byte(s+strings.Repeat("\n", 70000))) }
	}
	return []hostileFile{
		{"nothing", "too few", func(path string) { writeFile(c.t, path, nil) }},
		{"one byte", "too few", func(path string) { writeFile(c.t, path, []byte("x")) }},
		{"noughts", "is no disk", func(path string) { writeFile(c.t, path, make([]byte, 1<<20)) }},
		{"text", "is no disk", text("Dear Sir or Madam")},
		{"half a sector too long", "no whole number of sectors", func(path string) { writeFile(c.t, path, bootable(1<<20+100)) }},
		{"no boot loader", "without a boot loader", func(path string) {
			disk := bootable(1 << 20)
			clear(disk[:440])
			writeFile(c.t, path, disk)
		}},
		{"a sparse disk of a TiB", "more than the 64MiB", func(path string) {
			writeFile(c.t, path, bootable(512))
			if err := os.Truncate(path, 1<<40); err != nil {
				c.t.Fatal(err)
			}
		}},
		{"a web page", "web page", text("<!DOCTYPE html><title>404</title>")},
		{"a program", "is a program", text("\x7fELF\x02\x01\x01")},
		{"QED with a backing file", "QED", text("QED\x00" + c.secret)},
		{"LUKS", "is encrypted", text("LUKS\xba\xbe\x00\x01")},
		{"Parallels", "Parallels", text("WithoutFreeSpace")},
		{"Bochs", "Bochs", text("Bochs Virtual HD Image")},
		{"a copy-on-write file of User-mode Linux", "User-mode Linux", text("OOOM" + c.secret)},
		{"ISO 9660", "installation medium", func(path string) {
			testkit.Sh(c.t, "genisoimage", "-quiet", "-o", path, c.sound("qcow2"))
		}},
		{"a cpio archive", "initial RAM disk", text("070701")},
		{"7z", "7z", text("7z\xbc\xaf\x27\x1c")},
		{"bzip2", "bzip2", text("BZh91AY&SY")},
		{"a DMG", "DMG", func(path string) {
			writeFile(c.t, path, append(make([]byte, 4096), append([]byte("koly"), make([]byte, 508)...)...))
		}},
	}
}

// tarred makes an archive of entries.
func (c *corpus) tarred(entries ...tar.Header) func(string) {
	return func(path string) {
		c.t.Helper()
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range entries {
			h.Mode = 0o644
			if h.Typeflag == 0 {
				h.Typeflag = tar.TypeReg
			}
			data := c.read("raw")
			if h.Typeflag == tar.TypeReg {
				h.Size = int64(len(data))
			}
			if err := w.WriteHeader(&h); err != nil {
				c.t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				if _, err := w.Write(data); err != nil {
					c.t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			c.t.Fatal(err)
		}
		writeFile(c.t, path, b.Bytes())
	}
}

// zipped makes an archive of one entry, which change may spoil.
func (c *corpus) zipped(name string, mode fs.FileMode, data []byte, change func([]byte) []byte) func(string) {
	return func(path string) {
		c.t.Helper()
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write(data)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			c.t.Fatal(err)
		}
		out := b.Bytes()
		if change != nil {
			out = change(out)
		}
		writeFile(c.t, path, out)
	}
}

func gzipped(t testing.TB, data []byte, times int) []byte {
	t.Helper()
	for range times {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		data = append(b.Bytes(), make([]byte, max(0, 512-b.Len()))...) // gzip ignores zeros at the end
	}
	return data
}

func (c *corpus) archives() []hostileFile {
	link := func(kind byte, to string) func(string) {
		return c.tarred(tar.Header{Name: "disk.raw", Typeflag: kind, Linkname: to})
	}
	disk := c.read("raw")
	many := make([]tar.Header, mostEntries+1)
	for i := range many {
		many[i] = tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeDir}
	}
	bomb := make([]byte, mostHostile+1)
	backed := func(path string) {
		testkit.Sh(c.t, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", c.secret, path, "1M")
	}
	inTar := func(path string) {
		backed(path + ".disk")
		data, err := os.ReadFile(path + ".disk")
		if err != nil {
			c.t.Fatal(err)
		}
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: "disk.vmdk", Size: int64(len(data)), Mode: 0o644}); err != nil {
			c.t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			c.t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			c.t.Fatal(err)
		}
		writeFile(c.t, path, b.Bytes())
		if err := os.Remove(path + ".disk"); err != nil {
			c.t.Fatal(err)
		}
	}
	return []hostileFile{
		{"tar: a symbolic link", "holds a link", link(tar.TypeSymlink, c.secret)},
		{"tar: a hard link", "holds a link", link(tar.TypeLink, c.secret)},
		{"tar: a device", "special file", link(tar.TypeBlock, "")},
		{"tar: a pipe", "special file", link(tar.TypeFifo, "")},
		{"tar: a link, and a disk through it", "holds a link", c.tarred(tar.Header{Name: "d", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, tar.Header{Name: "d/passwd"})},
		{"tar: a name that leads out", "leads out of it", c.tarred(tar.Header{Name: "a/../../../etc/cron.d/x"})},
		{"tar: an absolute name", "absolute name", c.tarred(tar.Header{Name: "/etc/cron.d/x"})},
		{"tar: two disks", "2 files that may be the disk", c.tarred(tar.Header{Name: "a.raw"}, tar.Header{Name: "b.raw"})},
		{"tar: no disk", "0 files that may be the disk", c.tarred(tar.Header{Name: "a", Typeflag: tar.TypeDir})},
		{"tar: a thousand and one", "more than 1000", c.tarred(many...)},
		{"tar: cut", "cannot be read", func(path string) {
			c.tarred(tar.Header{Name: "disk.raw"})(path)
			if err := os.Truncate(path, 100_000); err != nil {
				c.t.Fatal(err)
			}
		}},
		{"tar: a disk with a backing file", "has a backing file", inTar},
		{"tar: a sparse file of a TiB", "more than the 64MiB", func(path string) {
			testkit.Sh(c.t, "sh", "-ec", `truncate -s 1T "$0.big"; tar -C "$(dirname "$0")" --sparse -cf "$0" "$(basename "$0").big"; rm "$0.big"`, path)
		}},
		{"zip: a symbolic link", "holds a link", c.zipped("disk.raw", fs.ModeSymlink|0o777, []byte(c.secret+strings.Repeat("/", 600)), nil)},
		{"zip: a name that leads out", "leads out of it", c.zipped("../../x", 0o644, disk, nil)},
		{"zip: a name that leads out on Windows", "leads out of it", c.zipped(`..\..\x`, 0o644, disk, nil)},
		{"zip: an absolute name", "absolute name", c.zipped("/etc/cron.d/x", 0o644, disk, nil)},
		{"zip: a drive", "absolute name", c.zipped(`C:\x`, 0o644, disk, nil)},
		{"zip: a bomb", "more than the 64MiB", c.zipped("disk.raw", 0o644, bomb, nil)},
		{"zip: a bomb that says it is small", "cannot be read", c.zipped("disk.raw", 0o644, bomb, func(b []byte) []byte {
			at := bytes.LastIndex(b, []byte("PK\x01\x02"))
			binary.LittleEndian.PutUint32(b[at+24:], 1<<20)
			return b
		})},
		{"zip: encrypted", "is encrypted", c.zipped("disk.raw", 0o644, disk, func(b []byte) []byte {
			b[bytes.LastIndex(b, []byte("PK\x01\x02"))+8] |= 1
			return b
		})},
		{"zip: another content than it says", "cannot be read", c.zipped("disk.raw", 0o644, disk, func(b []byte) []byte {
			b[bytes.LastIndex(b, []byte("PK\x01\x02"))+16]++
			return b
		})},
		{"zip: cut", "cannot be read", c.zipped("disk.raw", 0o644, disk, func(b []byte) []byte { return b[:len(b)-10] })},
		{"gzip: a bomb", "more than the 64MiB", func(path string) { writeFile(c.t, path, gzipped(c.t, bomb, 1)) }},
		{"gzip: cut", "cannot be unpacked", func(path string) { data := gzipped(c.t, c.read("qcow2"), 1); writeFile(c.t, path, data[:600]) }},
		{"gzip: five times", "more than 3 layers", func(path string) { writeFile(c.t, path, gzipped(c.t, disk, 5)) }},
		{"gzip: a disk with a backing file", "has a backing file", func(path string) {
			backed(path + ".disk")
			data, err := os.ReadFile(path + ".disk")
			if err != nil {
				c.t.Fatal(err)
			}
			writeFile(c.t, path, gzipped(c.t, data, 1))
			if err := os.Remove(path + ".disk"); err != nil {
				c.t.Fatal(err)
			}
		}},
		{"xz: a bomb", "more than the 64MiB", c.sh("sh", "-ec", "head -c 70000000 /dev/zero | xz -0 >PATH")},
		{"xz: a dictionary of 1.5 GiB", "cannot be unpacked", c.sh("sh", "-ec", "head -c 300000 /dev/urandom | xz -0 >PATH; printf '\\x28' | dd of=PATH bs=1 seek=16 conv=notrunc status=none")},
		{"xz: garbage", "cannot be unpacked", func(path string) { writeFile(c.t, path, append([]byte("\xfd7zXZ\x00"), make([]byte, 1000)...)) }},
		{"zstd: a bomb", "more than the 64MiB", c.sh("sh", "-ec", "head -c 70000000 /dev/zero | zstd -q >PATH")},
		{"zstd: a window of 2 GiB", "cannot be unpacked", func(path string) {
			// A frame of one raw block, whose window is 2^(10+21) bytes.
			writeFile(c.t, path, append([]byte("\x28\xb5\x2f\xfd\x00\xa8\x01\x10\x00"), disk[:1000]...))
		}},
		{"zstd: garbage", "cannot be unpacked", func(path string) {
			writeFile(c.t, path, append([]byte("\x28\xb5\x2f\xfd"), bytes.Repeat([]byte("\xff"), 1000)...))
		}},
	}
}

// hostile is all of them, with their formats in their names.
func (c *corpus) hostile() []hostileFile {
	var all []hostileFile
	for _, group := range []struct {
		name  string
		files []hostileFile
	}{
		{"qcow2: ", c.qcow2()},
		{"vmdk: ", c.vmdk()},
		{"vhd: ", c.vhd()},
		{"vhdx: ", c.vhdx()},
		{"vdi: ", c.vdi()},
		{"", c.others()},
		{"", c.archives()},
	} {
		for _, f := range group.files {
			f.name = group.name + f.name
			all = append(all, f)
		}
	}
	return all
}
