package libvirtd_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
)

// The guests of the worlds run kernels of a few bytes of 16-bit code. They boot
// at once, do no work between two ticks of the timer, and one of them obeys the
// power button.
var (
	obedient = []byte{
		0xfb,             //      sti
		0xba, 0xf8, 0x03, //      mov dx, 0x3f8   first serial port
		0xb0, 'u', 0xee, //       mov al, 'u'; out dx, al
		0xb0, 'p', 0xee,
		0xb0, '\n', 0xee,
		0xba, 0x02, 0x06, //      mov dx, 0x602   PM1_EN
		0xb8, 0x00, 0x01, //      mov ax, 0x100   power button
		0xef,             //      out dx, ax
		0xf4,             // l:   hlt
		0xba, 0x00, 0x06, //      mov dx, 0x600   PM1_STS
		0xed,             //      in ax, dx
		0xf6, 0xc4, 0x01, //      test ah, 1
		0x74, 0xf6, //            jz l
		0xba, 0x04, 0x06, //      mov dx, 0x604   PM1_CNT
		0xb8, 0x00, 0x20, //      mov ax, 0x2000  S5, now
		0xef,       //            out dx, ax
		0xf4,       // e:         hlt
		0xeb, 0xfd, //            jmp e
	}
	deaf = []byte{0xfb, 0xf4, 0xeb, 0xfd}
	// weary ends by itself after 40 ticks of 55 ms.
	weary = []byte{
		0xfb,
		0xb9, 40, 0x00, //        mov cx, 40
		0xf4,       // l:         hlt
		0xe2, 0xfd, //            loop l
		0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef,
		0xf4, 0xeb, 0xfd,
	}
)

// bzImage wraps real-mode code as QEMU's loader and the boot protocol want it:
// https://docs.kernel.org/arch/x86/boot.html
func bzImage(code []byte) []byte {
	const setupSectors, entry = 4, 0x280
	b := make([]byte, (1+setupSectors)*512+512)
	b[0x1f1] = setupSectors
	binary.LittleEndian.PutUint16(b[0x1fe:], 0xaa55)
	b[0x200], b[0x201] = 0xeb, entry-0x202 // jmp
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x206:], 0x020c)
	b[0x211] = 1                                          // loaded high
	binary.LittleEndian.PutUint32(b[0x22c:], 0x37ff_ffff) // initrd below
	binary.LittleEndian.PutUint32(b[0x238:], 255)         // command line
	copy(b[entry:], code)
	return b
}

// deafDigest is the image of guests that do not hear the power button.
var deafDigest = strings.Repeat("d", 64)

// worldModels are the models of every layer, below the world's root, and a last
// one in which web1 runs deaf.
func worldModels() []*ispctl.Model {
	paths := ispctl.Paths{Root: os.Getenv(rootEnv)}
	all := append(convergetest.Models(inst, paths), convergetest.Models(inst, paths)[2])
	for _, m := range all {
		for i := range m.Plans {
			m.Plans[i].Memory = 64 * ispctl.MiB
		}
	}
	last := all[len(all)-1]
	last.Images = append(last.Images, ispctl.Image{Name: "deaf", Digest: deafDigest, Size: ispctl.MiB, Cmdline: "x"})
	for i := range last.VMs {
		last.VMs[i].Image = deafDigest
	}
	return all
}

// deafModel is the last of them, whose guests do not hear.
func deafModel() *ispctl.Model {
	all := worldModels()
	return all[len(all)-1]
}

// furnish makes what the layers below would have made: images, disks, taps.
func furnish(t testing.TB) ispctl.Paths {
	t.Helper()
	paths := ispctl.Paths{Root: os.Getenv(rootEnv)}
	for digest, code := range map[string][]byte{convergetest.Digest: obedient, deafDigest: deaf} {
		write(t, paths.ImageKernel(digest), bzImage(code))
		write(t, paths.ImageInitrd(digest), make([]byte, 512))
	}
	seen := map[string]bool{}
	for _, m := range worldModels() {
		for guest := range m.Guests() {
			if seen[guest.UUID] {
				continue
			}
			seen[guest.UUID] = true
			write(t, paths.Seed(guest.UUID), make([]byte, 64<<10))
			testkit.Sh(t, "qemu-img", "create", "-q", "-f", "qcow2", paths.Disk(guest.UUID), "64M")
			owner := int(inst.GuestUID(guest.ID))
			must(t, errors.Join(os.Chown(paths.Disk(guest.UUID), owner, owner), os.Chown(paths.Seed(guest.UUID), owner, owner)))
			for _, nic := range guest.NICs {
				testkit.Sh(t, "ip", "tuntap", "add", "dev", nic.Tap, "mode", "tap", "vnet_hdr")
				testkit.Sh(t, "ip", "link", "set", "dev", nic.Tap, "up")
			}
		}
	}
	return paths
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, data, 0o644))
}
