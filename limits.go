package ispctl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits are what a VM may use, and what it is promised. A zero says nothing: in
// a plan that there is no such limit, in a VM that the plan's stands.
type Limits struct {
	Down      Rate // ceiling of what it receives from the Internet
	Up        Rate // ceiling of what it sends to the Internet
	Guarantee Rate // of each direction, whatever the others do
	Burst     Size // that may pass at full speed after a pause
	Local     Rate // ceiling of each direction between it and the zones of this host
	DSCP      DSCP // what becomes of the marks of urgency in its packets

	Connections    int64 // that it may have open at once, of each of its addresses
	NewConnections int64 // that it may open in a second, of each of its addresses
	Packets        int64 // that it may send in a second out of its zone, of each of its addresses

	CPUCeiling      Percent // of one CPU: 150 is one and a half
	CPUGuarantee    Percent // of one CPU, whatever the others do
	CPUShares       int64   // weight among the guests when all want more than there is
	CPUPin          CPUSet  // that it runs on, and on no others
	MemoryGuarantee Size    // that no balloon takes

	ReadIOPS, WriteIOPS           int64 // operations per second of its disks together
	ReadRate, WriteRate           Size  // bytes per second of its disks together
	ReadIOPSBurst, WriteIOPSBurst int64 // operations at full speed after a pause
	ReadBurst, WriteBurst         Size  // bytes at full speed after a pause
	DiskWeight                    int64 // weight among the guests when the disk below them is busy
}

// Percent is hundredths.
type Percent int64

func (p Percent) String() string { return strconv.FormatInt(int64(p), 10) + "%" }

// NoLimit in a VM's limits lifts that of its plan.
const NoLimit = -1

// Limit describes one of the limits: its name in commands, documents and the
// database, and how its value is written.
type Limit struct {
	Name, Unit, Help string

	at    func(*Limits) *int64
	parse func(string) (int64, error)
	text  func(int64) string

	word func(*Limits) *string // of one that is no number, in place of the three above
}

// limitTable is every limit there is.
var limitTable = []Limit{
	rateLimit("down", "ceiling of what it receives from the Internet", func(l *Limits) *Rate { return &l.Down }),
	rateLimit("up", "ceiling of what it sends to the Internet", func(l *Limits) *Rate { return &l.Up }),
	rateLimit("guarantee", "rate it is promised on the uplink, in each direction", func(l *Limits) *Rate { return &l.Guarantee }),
	sizeLimit("burst", "what may pass at full speed after a pause", "SIZE", func(l *Limits) *Size { return &l.Burst }),
	rateLimit("local", "ceiling between it and the zones of this host, in each direction", func(l *Limits) *Rate { return &l.Local }),
	{
		"dscp", "WORD", "marks of urgency: trust them, clear them, or the mark that what it sends to the Internet shall have, as cs1",
		func(l *Limits) *int64 { return (*int64)(&l.DSCP) },
		func(s string) (int64, error) { d, err := ParseDSCP(s); return int64(d), err },
		func(n int64) string { return DSCP(n).String() }, nil,
	},
	countLimit("connections", "connections that each of its addresses may have open at once", func(l *Limits) *int64 { return &l.Connections }),
	countLimit("new-connections", "connections that each of its addresses may open in a second", func(l *Limits) *int64 { return &l.NewConnections }),
	countLimit("packets", "packets that each of its addresses may send out of its zone in a second", func(l *Limits) *int64 { return &l.Packets }),
	{
		"cpu-ceiling", "PERCENT", "CPU time it may use, 100% being one whole CPU",
		func(l *Limits) *int64 { return (*int64)(&l.CPUCeiling) }, parsePercent,
		func(n int64) string { return Percent(n).String() }, nil,
	},
	{
		"cpu-guarantee", "PERCENT", "CPU time it is promised, 100% being one whole CPU",
		func(l *Limits) *int64 { return (*int64)(&l.CPUGuarantee) }, parsePercent,
		func(n int64) string { return Percent(n).String() }, nil,
	},
	countLimit("cpu-shares", "its weight when guests want more CPU time than there is; 100 is the usual", func(l *Limits) *int64 { return &l.CPUShares }),
	{
		Name: "cpu-pin", Unit: "CPUS", Help: "CPUs of the host that it runs on, and on no others, as 0-3,8",
		word: func(l *Limits) *string { return (*string)(&l.CPUPin) },
	},
	sizeLimit("memory-guarantee", "memory that it keeps when memory runs short", "SIZE", func(l *Limits) *Size { return &l.MemoryGuarantee }),
	countLimit("read-iops", "read operations per second of its disks together", func(l *Limits) *int64 { return &l.ReadIOPS }),
	countLimit("write-iops", "write operations per second of its disks together", func(l *Limits) *int64 { return &l.WriteIOPS }),
	sizeLimit("read-rate", "bytes read per second from its disks together", "SIZE", func(l *Limits) *Size { return &l.ReadRate }),
	sizeLimit("write-rate", "bytes written per second to its disks together", "SIZE", func(l *Limits) *Size { return &l.WriteRate }),
	countLimit("read-iops-burst", "read operations that may be made at full speed after a pause", func(l *Limits) *int64 { return &l.ReadIOPSBurst }),
	countLimit("write-iops-burst", "write operations that may be made at full speed after a pause", func(l *Limits) *int64 { return &l.WriteIOPSBurst }),
	sizeLimit("read-burst", "bytes that may be read at full speed after a pause", "SIZE", func(l *Limits) *Size { return &l.ReadBurst }),
	sizeLimit("write-burst", "bytes that may be written at full speed after a pause", "SIZE", func(l *Limits) *Size { return &l.WriteBurst }),
	countLimit("disk-weight", "its weight when the disk below the guests is busy; 100 is the usual", func(l *Limits) *int64 { return &l.DiskWeight }),
}

// LimitTable lists every limit there is, in the order they are shown.
func LimitTable() []Limit { return append([]Limit{}, limitTable...) }

func rateLimit(name, help string, at func(*Limits) *Rate) Limit {
	return Limit{
		name, "RATE", help, func(l *Limits) *int64 { return (*int64)(at(l)) },
		func(s string) (int64, error) { r, err := ParseRate(s); return int64(r), err },
		func(n int64) string { return Rate(n).String() }, nil,
	}
}

func sizeLimit(name, help, unit string, at func(*Limits) *Size) Limit {
	return Limit{
		name, unit, help, func(l *Limits) *int64 { return (*int64)(at(l)) },
		func(s string) (int64, error) { r, err := ParseSize(s); return int64(r), err },
		func(n int64) string { return Size(n).String() }, nil,
	}
}

func countLimit(name, help string, at func(*Limits) *int64) Limit {
	return Limit{name, "N", help, at, func(s string) (int64, error) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, Invalid(name, s, "is no whole number")
		}
		return n, nil
	}, func(n int64) string { return strconv.FormatInt(n, 10) }, nil}
}

func parsePercent(s string) (int64, error) {
	digits, ok := strings.CutSuffix(s, "%")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil {
		return 0, Invalid("percentage", s, "is not written as 150%%")
	}
	return n, nil
}

// Words that stand for no value of their own.
const (
	noneWord = "none"
	planWord = "plan"
)

// Set reads a value, or "none". A zero is refused: it would lift the limit.
func (f Limit) Set(l *Limits, text string) error {
	switch {
	case text == noneWord:
		f.put(l, 0, "")
		return nil
	case f.word != nil:
		set, err := ParseCPUSet(text)
		f.put(l, 0, string(set))
		return err
	}
	n, err := f.parse(text)
	if err != nil {
		return err
	}
	if n <= 0 {
		return Invalid(f.Name, text, "is nothing; to have no limit, write none")
	}
	*f.at(l) = n
	return nil
}

// put writes the number, or the word of a limit that is none.
func (f Limit) put(l *Limits, n int64, word string) {
	if f.word != nil {
		*f.word(l) = word
	} else {
		*f.at(l) = n
	}
}

// Override is Set for a VM: "none" lifts the plan's limit, and "plan" lets it
// stand again.
func (f Limit) Override(l *Limits, text string) error {
	switch text {
	case noneWord:
		f.put(l, NoLimit, noneWord)
		return nil
	case planWord:
		f.put(l, 0, "")
		return nil
	}
	return f.Set(l, text)
}

// Text is the value as it was written; empty: it says nothing.
func (f Limit) Text(l Limits) string {
	if f.word != nil {
		return *f.word(&l)
	}
	switch n := *f.at(&l); n {
	case 0:
		return ""
	case NoLimit:
		return noneWord
	default:
		return f.text(n)
	}
}

// Value is the bare number, bits per second, bytes, percent or a count, or the
// word of a limit that is none.
func (f Limit) Value(l Limits) (n int64, word string) {
	if f.word != nil {
		return 0, *f.word(&l)
	}
	return *f.at(&l), ""
}

// SetValue is the reverse of Value.
func (f Limit) SetValue(l *Limits, n int64, word string) { f.put(l, n, word) }

// Key is the name in documents, JSON and the database.
func (f Limit) Key() string { return strings.ReplaceAll(f.Name, "-", "_") }

// String lists what is set, as flags.
func (l Limits) String() string {
	var parts []string
	for _, f := range limitTable {
		if text := f.Text(l); text != "" {
			parts = append(parts, f.Name+" "+text)
		}
	}
	return strings.Join(parts, " ")
}

// Over are the limits with those that are set in l in place of base's.
func (l Limits) Over(base Limits) Limits {
	if l == (Limits{}) {
		return base // of most VMs, which all layers ask for
	}
	return l.over(base)
}

func (l Limits) over(base Limits) Limits {
	for _, f := range limitTable {
		switch n, word := f.Value(l); {
		case n == 0 && word == "":
		case n == NoLimit || word == noneWord:
			f.put(&base, 0, "")
		default:
			f.put(&base, n, word)
		}
	}
	return base
}

// Bounds that catch a slipped unit. A shaper's clock holds a burst of some four
// minutes and no more.
const (
	minBurst     = 4 * KiB
	maxBurstTime = 240 // seconds

	minConnections = 8 // a guest that installs its updates has that many
	maxConnections = 4_000_000
	minPackets     = 50
	maxPackets     = 100_000_000
)

// Validate checks limits as they come to be, plan and VM together.
func (l Limits) Validate() error {
	for _, one := range []struct {
		name    string
		rate    Rate
		ceiling bool
	}{{"down", l.Down, true}, {"up", l.Up, true}, {"guarantee", l.Guarantee, false}, {"local", l.Local, false}} {
		if one.rate == 0 {
			continue
		}
		if err := one.rate.validate(); err != nil {
			return fmt.Errorf("%s %w", one.name, err)
		}
		switch {
		case one.ceiling && one.rate < l.Guarantee:
			return fmt.Errorf("%s %s is below the guarantee of %s", one.name, one.rate, l.Guarantee)
		case one.ceiling && int64(l.Burst) > int64(one.rate)/8*maxBurstTime:
			return fmt.Errorf("burst %s takes more than %d seconds at %s %s", l.Burst, maxBurstTime, one.name, one.rate)
		}
	}
	if err := l.DSCP.validate(); err != nil {
		return err
	}
	switch {
	case l.DSCP == TrustDSCP && l.Down == 0 && l.Up == 0:
		return errors.New("dscp trust without a ceiling says nothing, for nothing waits; set down or up")
	case l.Burst != 0 && l.Down == 0 && l.Up == 0:
		return errors.New("burst without a ceiling says nothing; set down or up")
	case l.Burst != 0 && l.Burst < minBurst:
		return fmt.Errorf("burst %s is less than %s, which is two frames", l.Burst, minBurst)
	}
	for _, one := range []struct {
		name        string
		n           int64
		least, most int64
	}{
		{"connections", l.Connections, minConnections, maxConnections},
		{"new-connections", l.NewConnections, 1, maxConnections},
		{"packets", l.Packets, minPackets, maxPackets},
	} {
		if one.n != 0 && (one.n < one.least || one.n > one.most) {
			return fmt.Errorf("%s %d is not %d to %d", one.name, one.n, one.least, one.most)
		}
	}
	return l.validateHost()
}
