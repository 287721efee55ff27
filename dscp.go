package ispctl

import (
	"fmt"
	"slices"
	"strings"
)

// DSCP says what becomes of the mark that a packet's header has for its urgency
// (RFC 2474): 0, it passes and nobody heeds it.
type DSCP int64

// TrustDSCP lets the mark choose the priority that a packet has within its VM's
// own rate. A mark in its place is its number and dscpMark.
const (
	TrustDSCP DSCP = 1
	dscpMark  DSCP = 2
)

// ClearDSCP takes the marks off what a VM sends to the Internet.
const ClearDSCP = dscpMark

const (
	trustWord = "trust"
	clearWord = "clear"
)

// dscpNames are the marks that have names, by number (RFC 2474, 2597, 3246, 5865
// and 8622).
var dscpNames = map[byte]string{
	0: "cs0", 1: "le", 8: "cs1", 10: "af11", 12: "af12", 14: "af13", 16: "cs2", 18: "af21", 20: "af22", 22: "af23", 24: "cs3",
	26: "af31", 28: "af32", 30: "af33", 32: "cs4", 34: "af41", 36: "af42", 38: "af43", 40: "cs5", 44: "va", 46: "ef", 48: "cs6", 56: "cs7",
}

// ParseDSCP reads "trust", "clear" or the name of a mark, as cs1.
func ParseDSCP(s string) (DSCP, error) {
	switch s {
	case trustWord:
		return TrustDSCP, nil
	case clearWord:
		return ClearDSCP, nil
	}
	var names []string
	for n, name := range dscpNames {
		if s == name {
			return dscpMark + DSCP(n), nil
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return 0, Invalid("dscp", s, "is neither %s nor %s nor one of %s", trustWord, clearWord, strings.Join(names, " "))
}

func (d DSCP) String() string {
	n, marks := d.Mark()
	switch {
	case d == TrustDSCP:
		return trustWord
	case d == ClearDSCP:
		return clearWord
	case marks:
		return dscpNames[n]
	}
	return ""
}

// Mark is what is written into packets; false: they stay as they are.
func (d DSCP) Mark() (n byte, marks bool) {
	if d < dscpMark || d > dscpMark+63 {
		return 0, false
	}
	return byte(d - dscpMark), true
}

// DSCPName is a mark as nft(8) has it.
func DSCPName(n byte) string {
	if name, ok := dscpNames[n]; ok {
		return name
	}
	return fmt.Sprintf("0x%02x", n)
}

func (d DSCP) validate() error {
	if d == 0 || d == TrustDSCP {
		return nil
	}
	if n, marks := d.Mark(); !marks || dscpNames[n] == "" {
		return fmt.Errorf("dscp %d is no mark", int64(d))
	}
	return nil
}

// Priority says what goes first when a VM's own rate is used up; empty: normal.
type Priority string

// The priorities. What is bulk has a twentieth of the rate, whatever else wants
// to pass, and what is interactive a quarter; beyond that the more urgent goes
// first.
const (
	Interactive Priority = "interactive"
	Normal      Priority = "normal"
	Bulk        Priority = "bulk"
)

// Priorities are all there are, the most urgent first.
func Priorities() []Priority { return []Priority{Interactive, Normal, Bulk} }

// ParsePriority reads one.
func ParsePriority(s string) (Priority, error) {
	if p := Priority(s); slices.Contains(Priorities(), p) {
		return p, nil
	}
	return "", Invalid("priority", s, "is none of %v", Priorities())
}

// PriorityOf is what a trusted mark stands for: what people wait for (RFC 4594:
// telephony, signalling, video, and low-latency data), what may take until the
// night is over, and all else.
func PriorityOf(mark byte) Priority {
	switch {
	case mark >= 32 || mark == 18 || mark == 20 || mark == 22:
		return Interactive
	case mark == 1 || mark == 8 || mark == 10 || mark == 12 || mark == 14:
		return Bulk
	}
	return Normal
}
