package ispctl

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Rate is a speed in bits per second of whole Ethernet frames without their
// checksum, as tc(8) counts them. Units are powers of 1,000, as in tc(8) and
// iperf3(1). A bare number is refused: to tc it is bits, to others kilobits.
type Rate int64

// The units.
const (
	Kbit Rate = 1e3
	Mbit Rate = 1e6
	Gbit Rate = 1e9
)

// The least and the most a limit may say. Below the one a guest cannot fetch its
// own updates, and a rate that was meant in another unit is likely; beyond the
// other the kernel's 32 bits of bytes per second do not reach.
const (
	MinRate = 64 * Kbit
	MaxRate = 32 * Gbit
)

// MaxUplinkRate is the fastest uplink: no Ethernet is faster.
const MaxUplinkRate = 800 * Gbit

var rateUnits = []struct {
	name string
	bits Rate
}{
	{"gbit", Gbit},
	{"mbit", Mbit},
	{"kbit", Kbit},
	{"bit", 1},
}

// ParseRate reads "100mbit", "1.5mbit" or "64 kbit". Capitals do not count.
func ParseRate(s string) (Rate, error) {
	lower := strings.ToLower(s)
	if strings.HasSuffix(lower, "bps") {
		return 0, Invalid("rate", s, "is in bps, which tc(8) takes for bytes and others for bits; write kbit, mbit or gbit")
	}
	for _, u := range rateUnits {
		digits, ok := strings.CutSuffix(lower, u.name)
		if !ok {
			continue
		}
		rate, ok := scaled(strings.TrimSpace(digits), u.bits)
		if !ok {
			return 0, Invalid("rate", s, "is no number of %s that comes to whole bits", u.name)
		}
		return rate, nil
	}
	return 0, &Error{
		Kind: Usage, Object: object("rate", s), Cause: "has no unit that is known",
		Next: "write kbit, mbit or gbit, as in 100mbit",
	}
}

// scaled reads a decimal number times a unit, exactly.
func scaled(digits string, unit Rate) (Rate, bool) {
	const places = 9
	whole, fraction, _ := strings.Cut(digits, ".")
	if len(fraction) > places || strings.HasSuffix(digits, ".") {
		return 0, false
	}
	n, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || n > math.MaxInt64/uint64(unit) {
		return 0, false
	}
	rate := Rate(n) * unit
	if fraction == "" {
		return rate, true
	}
	part, err := strconv.ParseUint(fraction, 10, 63)
	tens := Rate(math.Pow10(len(fraction)))
	if err != nil || Rate(part)*unit%tens != 0 {
		return 0, false
	}
	return rate + Rate(part)*unit/tens, true
}

// String prints the largest unit that divides the rate without a rest, as
// ParseRate reads it.
func (r Rate) String() string {
	for _, u := range rateUnits {
		if r >= u.bits && r%u.bits == 0 {
			return fmt.Sprintf("%d%s", r/u.bits, u.name)
		}
	}
	return fmt.Sprintf("%dbit", int64(r))
}

// validate checks a rate that is set.
func (r Rate) validate() error {
	switch {
	case r < MinRate || r > MaxRate:
		return fmt.Errorf("%s is not %s to %s", r, MinRate, MaxRate)
	case r%8 != 0:
		return fmt.Errorf("%s is no whole number of bytes a second", r)
	}
	return nil
}
