package meter

import (
	"math/bits"

	"ispctl"
)

// Line is one line of a bill.
type Line struct {
	Measure   string           // "volume" or "percentile95"
	Direction ispctl.Direction // in which it is measured
	Used      uint64           // bytes, or bit/s
	Included  uint64
	Over      uint64
	Price     ispctl.Price // of each 10^9 bytes, or each 10^6 bit/s
	Amount    ispctl.Price // rounded to hundredths of the currency
}

// Bill is what a month's traffic with the Internet costs by a tariff. The
// percentile is in bytes of a slot.
func Bill(t ispctl.Tariff, volume int64, percentile func(ispctl.Direction) uint64) []Line {
	var lines []Line
	if t.Volume != "" {
		used := uint64(max(0, volume))
		lines = append(lines, line("volume", t.Volume, used, uint64(t.Included), t.PerGB, 1e9))
	}
	if t.Percentile != "" {
		lines = append(lines, line("percentile95", t.Percentile, Rate(percentile(t.Percentile)), uint64(t.Committed), t.PerMbit, 1e6))
	}
	return lines
}

func line(measure string, d ispctl.Direction, used, included uint64, price ispctl.Price, per uint64) Line {
	l := Line{Measure: measure, Direction: d, Used: used, Included: included, Price: price}
	if used > included {
		l.Over = used - included
	}
	l.Amount = times(l.Over, price, per)
	return l
}

// cent is a hundredth of a currency.
const cent = ispctl.Unit / 100

// times is n/per of a price, rounded to the nearest hundredth, the half up.
func times(n uint64, price ispctl.Price, per uint64) ispctl.Price {
	hi, lo := bits.Mul64(n, uint64(price))
	by := per * uint64(cent)
	lo, carry := bits.Add64(lo, by/2, 0)
	hi += carry
	if hi >= by {
		return 1<<62 - 1 // more money than there is
	}
	cents, _ := bits.Div64(hi, lo, by)
	return ispctl.Price(min(cents, 1<<48)) * cent
}

// Owed is the sum of a bill.
func Owed(lines []Line) ispctl.Price {
	var sum ispctl.Price
	for _, l := range lines {
		sum += l.Amount
	}
	return sum
}
