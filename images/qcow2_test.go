package images

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ispctl"
)

func overlayHead(t testing.TB) []byte {
	t.Helper()
	l, err := encodeOverlay(Overlay{Backing: "/images/disk.raw", Size: ispctl.GiB})
	if err != nil {
		t.Fatal(err)
	}
	return l.pieces[0]
}

// TestDecodeOverlayRefuses changes one field of a good header at a time.
func TestDecodeOverlayRefuses(t *testing.T) {
	be := binary.BigEndian
	for _, tt := range []struct {
		name   string
		change func(h []byte) []byte
		want   string
	}{
		{"cut short", func(h []byte) []byte { return h[:103] }, "1 bytes short"},
		{"empty", func([]byte) []byte { return nil }, "104 bytes short"},
		{"another magic", func(h []byte) []byte { h[0] = 'q'; return h }, "no qcow2 file"},
		{"version 2", func(h []byte) []byte { be.PutUint32(h[4:], 2); return h }, "version 2"},
		{"giant clusters", func(h []byte) []byte { be.PutUint32(h[20:], 63); return h }, "clusters of 2^63"},
		{"encrypted", func(h []byte) []byte { be.PutUint32(h[32:], 2); return h }, "encrypted"},
		{"external data file", func(h []byte) []byte { be.PutUint64(h[72:], 1<<2); return h }, "incompatible features 0x4"},
		{"unknown feature", func(h []byte) []byte { be.PutUint64(h[72:], 1<<40); return h }, "incompatible features"},
		{"negative size", func(h []byte) []byte { h[24] = 0x80; return h }, "has a size"},
		{"name beyond the end", func(h []byte) []byte { be.PutUint64(h[8:], uint64(len(h))-3); return h }, "names its backing file"},
		{"name at the end of all", func(h []byte) []byte { be.PutUint64(h[8:], 1<<64-1); return h }, "names its backing file"},
		{"name inside the header", func(h []byte) []byte { be.PutUint64(h[8:], 8); return h }, "names its backing file"},
		{"name too long", func(h []byte) []byte { be.PutUint32(h[16:], 1024); return h }, "names its backing file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := decodeOverlay(tt.change(overlayHead(t)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, %v; want an error with %q", o, err, tt.want)
			}
		})
	}
	dirty := overlayHead(t)
	be.PutUint64(dirty[72:], incompatDirty)
	if _, err := decodeOverlay(dirty); err != nil {
		t.Errorf("a disk whose QEMU died was refused: %v", err)
	}
}

// FuzzReadOverlay proves that no file makes it panic, and that what it does
// accept is within the limits it promises.
func FuzzReadOverlay(f *testing.F) {
	f.Add(overlayHead(f))
	f.Add([]byte("QFI\xfb"))
	f.Add([]byte{})
	path := filepath.Join(f.TempDir(), "disk.qcow2")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := ReadOverlay(path)
		if err == nil && (o.Size < 0 || len(o.Backing) > maxBackingName || len(data) < headerLength) {
			t.Errorf("accepted %+v", o)
		}
	})
}
