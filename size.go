package ispctl

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is an amount of memory or disk in bytes. Binary units are powers of
// 1,024 (KiB, MiB, GiB, TiB), decimal ones powers of 1,000 (kB, MB, GB, TB), as
// in IEC 80000-13. A bare number is refused: nobody agrees on its unit.
type Size int64

// The binary units.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

// sizeUnits lists the units, the largest first; each ends with the last one.
var sizeUnits = []struct {
	name  string
	bytes Size
}{
	{"TiB", TiB},
	{"TB", 1e12},
	{"GiB", GiB},
	{"GB", 1e9},
	{"MiB", MiB},
	{"MB", 1e6},
	{"KiB", KiB},
	{"kB", 1e3},
	{"KB", 1e3},
	{"B", 1},
}

// ParseSize reads "512MiB", "4 GiB" or "20GB".
func ParseSize(s string) (Size, error) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 64)
		if errors.Is(err, strconv.ErrSyntax) {
			return 0, Invalid("size", s, "is no whole number of %s", u.name)
		}
		if err != nil || n > math.MaxInt64/uint64(u.bytes) {
			return 0, Invalid("size", s, "is beyond 8 EiB")
		}
		return Size(n) * u.bytes, nil
	}
	return 0, &Error{
		Kind: Usage, Object: object("size", s), Cause: "has no unit that is known",
		Next: "write KiB, MiB, GiB or TiB (or kB, MB, GB, TB), as in 512MiB",
	}
}

// String prints the largest unit that divides the size without a rest, so that
// ParseSize reads back the same number of bytes.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s >= u.bytes && s%u.bytes == 0 {
			return fmt.Sprintf("%d%s", s/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}
