package ispctl_test

import (
	"testing"

	"ispctl"
)

func TestUnder(t *testing.T) {
	throttle := ispctl.Throttle{Action: ispctl.ActionThrottle, Rate: ispctl.Mbit}
	for _, tt := range []struct{ have, want ispctl.Limits }{
		{ispctl.Limits{}, ispctl.Limits{Down: ispctl.Mbit, Up: ispctl.Mbit}},
		{ispctl.Limits{Down: ispctl.Gbit, Up: 512 * ispctl.Kbit, Guarantee: 2 * ispctl.Mbit}, ispctl.Limits{Down: ispctl.Mbit, Up: 512 * ispctl.Kbit, Guarantee: ispctl.Mbit}},
		{ispctl.Limits{Down: ispctl.NoLimit, Up: ispctl.NoLimit}, ispctl.Limits{Down: ispctl.Mbit, Up: ispctl.Mbit}},
	} {
		if got := tt.have.Under(throttle); got != tt.want {
			t.Errorf("%+v becomes %+v, want %+v", tt.have, got, tt.want)
		}
		if got := tt.have.Under(ispctl.Throttle{Action: ispctl.ActionBlock}); got != tt.have {
			t.Errorf("%+v becomes %+v", tt.have, got)
		}
	}
}
