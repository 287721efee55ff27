package operations_test

import (
	"strings"
	"testing"

	"ispctl"
	"ispctl/operations"
)

// TestBadQoS: what cannot be meant, or cannot be held, is refused with the
// object, the cause and the right exit code, and nothing of it is kept.
func TestBadQoS(t *testing.T) {
	w := withVMs(t)
	ctx, o := t.Context(), operations.Options{}
	must(t, one(w.SetUplinkRates(ctx, 25*ispctl.Mbit, 25*ispctl.Mbit, o)))
	must(t, one(w.SetQoS(ctx, "web1", map[string]string{"down": "20mbit", "up": "20mbit", "guarantee": "10mbit"}, o)))
	before, err := w.QoS(ctx, "web1")
	must(t, err)
	for _, tt := range []struct {
		name   string
		limits map[string]string
		kind   ispctl.ErrorKind
		say    string
	}{
		{"ceiling below the guarantee", map[string]string{"down": "5mbit"}, ispctl.Usage, "down 5mbit is below the guarantee of 10mbit"},
		{"guarantee above the ceiling", map[string]string{"guarantee": "21mbit"}, ispctl.Usage, "below the guarantee of 21mbit"},
		{"guarantee beyond the uplink", map[string]string{"down": "none", "up": "none", "guarantee": "30mbit"}, ispctl.Conflict, "25mbit: 5mbit too much"},
		{"nothing", map[string]string{"down": "0mbit"}, ispctl.Usage, "is nothing; to have no limit, write none"},
		{"next to nothing", map[string]string{"up": "1kbit"}, ispctl.Usage, "1kbit is not 64kbit to 32gbit"},
		{"more than there is", map[string]string{"up": "99999gbit"}, ispctl.Usage, "32gbit"},
		{"less than nothing", map[string]string{"up": "-5mbit"}, ispctl.Usage, "-5mbit"},
		{"no unit", map[string]string{"down": "100"}, ispctl.Usage, "has no unit"},
		{"a unit of two meanings", map[string]string{"down": "100mbps"}, ispctl.Usage, "bps"},
		{"a burst in bits", map[string]string{"burst": "5mbit"}, ispctl.Usage, "write KiB, MiB"},
	} {
		_, err := w.SetQoS(ctx, "web1", tt.limits, o)
		if err == nil || ispctl.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%s: want kind %v and %q, have kind %v: %v", tt.name, tt.kind, tt.say, ispctl.KindOf(err), err)
		}
	}
	after, err := w.QoS(ctx, "web1")
	must(t, err)
	if before[0].Effective != after[0].Effective {
		t.Errorf("it had %+v, and has %+v", before[0].Effective, after[0].Effective)
	}
	if _, err := w.QoS(ctx, "nobody"); ispctl.KindOf(err) != ispctl.NotFound {
		t.Errorf("nobody: %v", err)
	}
}
