package foreign

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ispctl"
	"ispctl/internal/testkit"
)

const largest = 64 * ispctl.MiB

// sound makes a file of each format, with a disk of 1 MiB.
func sound(t testing.TB) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	disk := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	copy(disk[510:], "\x55\xaa")
	raw := filepath.Join(dir, "raw")
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{"raw": disk}
	for name, options := range map[string][]string{
		"qcow2": {"-O", "qcow2", "-o", "cluster_size=4096"}, "qcow2 compressed": {"-O", "qcow2", "-c"}, "qcow2 old": {"-O", "qcow2", "-o", "compat=0.10"},
		"vmdk": {"-O", "vmdk"}, "vmdk stream": {"-O", "vmdk", "-o", "subformat=streamOptimized"},
		"vhd": {"-O", "vpc", "-o", "force_size=on"}, "vhdx": {"-O", "vhdx", "-o", "block_size=1M"}, "vdi": {"-O", "vdi"},
	} {
		out := filepath.Join(dir, "out")
		testkit.Sh(t, append(append([]string{"qemu-img", "convert", "-f", "raw"}, options...), raw, out)...)
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = data
	}
	return all
}

func TestSound(t *testing.T) {
	for name, data := range sound(t) {
		image, err := Judge(bytes.NewReader(data), int64(len(data)), largest)
		if err != nil || image.Size != ispctl.MiB || image.Data != ispctl.MiB {
			t.Errorf("%s: %+v, %v", name, image, err)
		}
		if _, err := Judge(bytes.NewReader(data), int64(len(data)), ispctl.MiB-512); ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("%s: a disk beyond the largest: %v", name, err)
		}
	}
}

// TestEveryByte changes each byte of the heads of sound files, to several values.
// What the judge still takes, QEMU must take for one whole disk of that size too.
func TestEveryByte(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	for name, data := range sound(t) {
		if name == "raw" {
			continue // no byte of it means anything
		}
		t.Run(name, func(t *testing.T) {
			taken, asked := 0, 0
			for at := range 1200 {
				for _, v := range []byte{0, 1, data[at] ^ 0x80, 0xff} {
					if v == data[at] {
						continue
					}
					was := data[at]
					data[at] = v
					image, err := Judge(bytes.NewReader(data), int64(len(data)), largest)
					if err == nil {
						taken++
					}
					if err == nil && taken%100 == 0 { // each costs a process
						asked++
						if err := os.WriteFile(path, data, 0o600); err != nil {
							t.Fatal(err)
						}
						agree(t, path, at, v, image)
					}
					data[at] = was
				}
			}
			t.Logf("%d taken, %d shown to QEMU", taken, asked)
		})
	}
}

// agree asks qemu-img what a file is that the judge has taken. It may refuse it.
func agree(t *testing.T, path string, at int, v byte, image Image) {
	t.Helper()
	out, err := exec.Command("qemu-img", "info", "--output=json", "-f", image.Format.Driver(), path).Output()
	if err != nil {
		return
	}
	var info struct {
		Size    int64  `json:"virtual-size"`
		Backing string `json:"backing-filename"`
		Full    string `json:"full-backing-filename"`
		Format  struct {
			Data struct {
				DataFile string `json:"data-file"`
				Extents  []struct {
					Filename string `json:"filename"`
				} `json:"extents"`
			} `json:"data"`
		} `json:"format-specific"`
	}
	if err := json.Unmarshal(out, &info); err != nil {
		t.Fatal(err)
	}
	if info.Backing != "" || info.Full != "" || info.Format.Data.DataFile != "" {
		t.Errorf("byte %d as %#x: QEMU sees another file: %s", at, v, out)
	}
	for _, e := range info.Format.Data.Extents {
		if e.Filename != path {
			t.Errorf("byte %d as %#x: QEMU sees an extent %s", at, v, e.Filename)
		}
	}
	// The geometry of a VHD may count, by who made it.
	if info.Size != int64(image.Size) && image.Format != VHD || info.Size > int64(image.Size)+1<<30 {
		t.Errorf("byte %d as %#x: QEMU sees a disk of %d bytes, the judge one of %d", at, v, info.Size, int64(image.Size))
	}
}

// FuzzJudge wants an answer to everything, and none that exceeds what is allowed.
func FuzzJudge(f *testing.F) {
	for _, data := range sound(f) {
		f.Add(data[:min(len(data), 4096)], int64(len(data)))
		f.Add(data[:512], int64(1<<40))
	}
	for _, s := range signatures {
		f.Add(append(make([]byte, s.offset), s.magic+"\x00\x00\x00\x03"...), int64(1<<20))
	}
	f.Fuzz(func(t *testing.T, head []byte, length int64) {
		length &= 1<<40 - 1
		image, err := Judge(sparse(head), length, largest)
		if err == nil && (image.Size > largest || image.Data > image.Size || image.Size%512 != 0) {
			t.Errorf("took %+v", image)
		}
		if err != nil && ispctl.KindOf(err) != ispctl.Usage {
			t.Errorf("failed: %v", err)
		}
	})
}

// sparse is bytes that are followed by zeros without end.
type sparse []byte

func (s sparse) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	if at < int64(len(s)) {
		copy(p, s[at:])
	}
	return len(p), nil
}
