package ispctl

import (
	"errors"
	"fmt"
)

// Bounds of what a guest may use of the host itself; they catch a slipped unit.
const (
	minCPUCeiling = 5
	minShares     = 2
	maxShares     = 10000
	maxIOPS       = 10_000_000
	minDiskRate   = 64 * KiB
	maxDiskWeight = 1000 // BFQ knows no more
)

// validateHost checks what of the limits is about CPUs and disks.
func (l Limits) validateHost() error {
	for _, one := range []struct {
		name        string
		n           int64
		unit        string
		least, most int64
	}{
		{"cpu-ceiling", int64(l.CPUCeiling), "%", minCPUCeiling, MaxCPUs * 100},
		{"cpu-guarantee", int64(l.CPUGuarantee), "%", 1, MaxCPUs * 100},
		{"cpu-shares", l.CPUShares, "", minShares, maxShares},
		{"disk-weight", l.DiskWeight, "", 1, maxDiskWeight},
		{"read-iops", l.ReadIOPS, "", 1, maxIOPS},
		{"write-iops", l.WriteIOPS, "", 1, maxIOPS},
	} {
		if one.n != 0 && (one.n < one.least || one.n > one.most) {
			return fmt.Errorf("%s %d%s is not %d%s to %d%s", one.name, one.n, one.unit, one.least, one.unit, one.most, one.unit)
		}
	}
	if l.CPUCeiling != 0 && l.CPUCeiling < l.CPUGuarantee {
		return fmt.Errorf("cpu-ceiling %s is below the cpu-guarantee of %s", l.CPUCeiling, l.CPUGuarantee)
	}
	if n := l.CPUPin.Len(); n > 0 && int(l.CPUGuarantee) > n*100 {
		return fmt.Errorf("cpu-guarantee %s is more than the %d CPUs of cpu-pin %s have", l.CPUGuarantee, n, l.CPUPin)
	}
	for _, one := range []struct {
		name        string
		rate, burst Size
	}{{"read", l.ReadRate, l.ReadBurst}, {"write", l.WriteRate, l.WriteBurst}} {
		if one.rate != 0 && (one.rate < minDiskRate || one.rate > TiB) {
			return fmt.Errorf("%s-rate %s per second is not %s to %s", one.name, one.rate, minDiskRate, TiB)
		}
		if err := validateBurst(one.name+"-burst", one.name+"-rate", int64(one.burst), int64(one.rate), one.burst.String(), one.rate.String()); err != nil {
			return err
		}
	}
	return errors.Join(
		validateBurst("read-iops-burst", "read-iops", l.ReadIOPSBurst, l.ReadIOPS, fmt.Sprint(l.ReadIOPSBurst), fmt.Sprint(l.ReadIOPS)),
		validateBurst("write-iops-burst", "write-iops", l.WriteIOPSBurst, l.WriteIOPS, fmt.Sprint(l.WriteIOPSBurst), fmt.Sprint(l.WriteIOPS)),
	)
}

// maxDiskBurst is how much more than a second's worth a burst may be.
const maxDiskBurst = 3600

// validateBurst checks one: QEMU refuses a burst that is less than what passes
// in a second anyway.
func validateBurst(name, of string, burst, rate int64, burstText, rateText string) error {
	switch {
	case burst == 0:
		return nil
	case rate == 0:
		return fmt.Errorf("%s without %s says nothing; set %s", name, of, of)
	case burst < rate:
		return fmt.Errorf("%s %s is less than %s allows in a second: %s", name, burstText, of, rateText)
	case burst/maxDiskBurst > rate:
		return fmt.Errorf("%s %s takes more than an hour at %s %s", name, burstText, of, rateText)
	}
	return nil
}
