package ispctl_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"ispctl"
)

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want ispctl.Size
		text string // what String makes of it
	}{
		{"0B", 0, "0B"},
		{"1B", 1, "1B"},
		{"512MiB", 512 * ispctl.MiB, "512MiB"},
		{"4 GiB", 4 * ispctl.GiB, "4GiB"},
		{"1024MiB", ispctl.GiB, "1GiB"},
		{"1536KiB", 1536 * ispctl.KiB, "1536KiB"},
		{"2TiB", 2 * ispctl.TiB, "2TiB"},
		{"20GB", 20e9, "20GB"},
		{"1TB", 1e12, "1TB"},
		{"3MB", 3e6, "3MB"},
		{"7kB", 7e3, "7kB"},
		{"7KB", 7e3, "7kB"},
		{"1000B", 1000, "1kB"},
		{"1024B", 1024, "1KiB"},
		{"008MiB", 8 * ispctl.MiB, "8MiB"},
		{"9223372036854775807B", math.MaxInt64, "9223372036854775807B"},
		{"8388607TiB", 8388607 * ispctl.TiB, "8388607TiB"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ispctl.ParseSize(tt.in)
			if err != nil || got != tt.want {
				t.Fatalf("want %d, have %d, %v", tt.want, got, err)
			}
			if got.String() != tt.text {
				t.Errorf("want %s, have %s", tt.text, got)
			}
		})
	}
}

func TestParseSizeRefuses(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "has no unit that is known"},
		{"512", "has no unit that is known"},
		{"512M", "has no unit that is known"},
		{"512mib", "has no unit that is known"},
		{"MiB", "is no whole number of MiB"},
		{"1.5GiB", "is no whole number of GiB"},
		{"-1GiB", "is no whole number of GiB"},
		{"+1GiB", "is no whole number of GiB"},
		{"0x10MiB", "is no whole number of MiB"},
		{"1_000MiB", "is no whole number of MiB"},
		{"1e3MiB", "is no whole number of MiB"},
		{"8388608TiB", "is beyond 8 EiB"},
		{"9223372036854775808B", "is beyond 8 EiB"},
		{"99999999999999999999GiB", "is beyond 8 EiB"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			_, err := ispctl.ParseSize(tt.in)
			refused(t, err, ispctl.Usage, tt.want)
		})
	}
}

// TestSizeIsReadBack takes sizes through their text, whatever unit that picks.
func TestSizeIsReadBack(t *testing.T) {
	units := []ispctl.Size{1, ispctl.KiB, ispctl.MiB, ispctl.GiB, ispctl.TiB, 1e3, 1e6, 1e9, 1e12}
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom(units).Draw(t, "unit")
		want := ispctl.Size(rapid.Int64Range(0, math.MaxInt64/int64(unit)).Draw(t, "n")) * unit
		got, err := ispctl.ParseSize(want.String())
		if err != nil || got != want {
			t.Fatalf("%d is written %s and read %d, %v", int64(want), want, int64(got), err)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, seed := range []string{"512MiB", "4 GiB", "20GB", "0B", "-1B", "1.5GiB", "9223372036854775807B", "8388608TiB", "kB", "\u00a01B"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		size, err := ispctl.ParseSize(s)
		if err != nil {
			refused(t, err, ispctl.Usage, "size")
			return
		}
		if size < 0 {
			t.Fatalf("%q is %d bytes", s, int64(size))
		}
		if again, err := ispctl.ParseSize(size.String()); err != nil || again != size {
			t.Fatalf("%q is %d, written %s, read %d, %v", s, int64(size), size, int64(again), err)
		}
	})
}
