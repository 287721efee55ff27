package ispctl

import (
	"slices"
	"strconv"
	"strings"
)

// Tariff is what the traffic of a VM on a plan costs: by volume, by the 95th
// percentile of five-minute averages, or both. Only traffic with the Internet
// is billed.
type Tariff struct {
	Plan     Name
	Currency string // ISO 4217, as EUR

	Volume   Direction // empty: volume is not billed
	Included Size      // a month
	PerGB    Price     // of what is above, for each 10^9 bytes

	Percentile Direction // empty: it is not billed
	Committed  Rate      // included
	PerMbit    Price     // of what is above, for each 10^6 bit/s

	Applied bool
}

// Price is an amount of money in millionths of the currency.
type Price int64

// Unit is one of the currency.
const Unit Price = 1_000_000

// ParsePrice reads "12" or "0.005".
func ParsePrice(s string) (Price, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	const places = 6
	w, err := strconv.ParseUint(whole, 10, 40)
	if err != nil || len(fraction) > places || strings.HasSuffix(s, ".") {
		return 0, Invalid("price", s, "is no amount of money, as 0.005, of at most six places")
	}
	f := uint64(0)
	if fraction != "" {
		if f, err = strconv.ParseUint(fraction+strings.Repeat("0", places-len(fraction)), 10, 32); err != nil {
			return 0, Invalid("price", s, "is no amount of money, as 0.005, of at most six places")
		}
	}
	return Price(w)*Unit + Price(f), nil
}

// String prints at least two places, and more where there are.
func (p Price) String() string {
	sign := ""
	if p < 0 {
		sign, p = "-", -p
	}
	fraction := strconv.FormatInt(int64(Unit+p%Unit), 10)[1:]
	return sign + strconv.FormatInt(int64(p/Unit), 10) + "." + fraction[:2] + strings.TrimRight(fraction[2:], "0")
}

// Validate checks the tariff by itself.
func (t Tariff) Validate() error {
	name := string(t.Plan)
	for _, d := range []Direction{t.Volume, t.Percentile} {
		if _, err := ParseDirection(string(d)); d != "" && err != nil {
			return err
		}
	}
	switch {
	case len(t.Currency) != 3 || strings.Trim(t.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		return Invalid("tariff", name, "currency %q is not three capitals, as EUR", t.Currency)
	case t.Volume == "" && t.Percentile == "":
		return Invalid("tariff", name, "bills neither volume nor percentile")
	case t.Volume == "" && (t.Included != 0 || t.PerGB != 0):
		return Invalid("tariff", name, "says what volume costs, and not in which direction")
	case t.Percentile == "" && (t.Committed != 0 || t.PerMbit != 0):
		return Invalid("tariff", name, "says what the percentile costs, and not in which direction")
	case t.Included < 0 || t.PerGB < 0 || t.Committed < 0 || t.PerMbit < 0:
		return Invalid("tariff", name, "has something below zero")
	}
	return nil
}

// TariffOf is the tariff of a plan.
func (m *Model) TariffOf(plan Name) (Tariff, bool) {
	i := slices.IndexFunc(m.Tariffs, func(t Tariff) bool { return t.Plan == plan })
	if i < 0 {
		return Tariff{}, false
	}
	return m.Tariffs[i], true
}
