package ispctl

import "time"

// Metering is how usage is kept.
type Metering struct {
	TimeZone string // of the IANA database: when days and months begin; empty: UTC
	KeepDays int    // how long five-minute samples are kept; then they become hours; 0: DefaultKeepDays
	FlowDays int    // how long it is kept whom guests spoke to; 0: DefaultFlowDays
}

// Bounds of how long samples are kept. A month has to be closed from true
// samples, and may be asked for some time later.
const (
	DefaultKeepDays = 400
	minKeepDays     = 62
	maxKeepDays     = 3660
)

// DefaultFlowDays is how long flows are kept: whom somebody spoke to is nobody's
// business for longer than a bill may be asked about.
const DefaultFlowDays = 90

// KeepFlows is how long flows are kept.
func (m Metering) KeepFlows() time.Duration {
	days := m.FlowDays
	if days == 0 {
		days = DefaultFlowDays
	}
	return time.Duration(days) * 24 * time.Hour
}

// Keep is how long five-minute samples are kept.
func (m Metering) Keep() time.Duration {
	days := m.KeepDays
	if days == 0 {
		days = DefaultKeepDays
	}
	return time.Duration(days) * 24 * time.Hour
}

// Validate checks it by itself.
func (m Metering) Validate() error {
	if m.KeepDays != 0 && (m.KeepDays < minKeepDays || m.KeepDays > maxKeepDays) {
		return Invalid("metering", "", "to keep samples for %d days is not %d to %d", m.KeepDays, minKeepDays, maxKeepDays)
	}
	if m.FlowDays < 0 || m.FlowDays > maxKeepDays {
		return Invalid("metering", "", "to keep flows for %d days is not 1 to %d", m.FlowDays, maxKeepDays)
	}
	if m.TimeZone == "Local" {
		return Invalid("time zone", m.TimeZone, "name the zone itself, such as Europe/Berlin: the host's may change")
	}
	if _, err := time.LoadLocation(m.TimeZone); err != nil {
		return Invalid("time zone", m.TimeZone, "is not known; have: UTC, Europe/Berlin and the others of tzdata")
	}
	return nil
}
