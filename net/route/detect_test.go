package route_test

import (
	"net/netip"
	"strings"
	"testing"

	"ispctl"
	"ispctl/internal/testkit"
)

// TestDetect looks at uplinks as providers hand them over.
func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		name    string
		set     [][]string
		kind    ispctl.UplinkKind
		address string
		gateway string
		why     string
	}{
		{"/32 with an on-link gateway", [][]string{
			{"link", "add", "up0", "type", "veth", "peer", "name", "up1"},
			{"link", "set", "up1", "up"},
			{"link", "set", "up0", "up"},
			{"address", "add", "192.0.2.7/32", "dev", "up0"},
			{"route", "add", "default", "via", "203.0.113.1", "dev", "up0", "onlink"},
		}, ispctl.Routed, "192.0.2.7/32", "203.0.113.1", "outside 192.0.2.7/32"},
		{"net with its gateway", [][]string{
			{"link", "add", "up0", "type", "veth", "peer", "name", "up1"},
			{"link", "set", "up1", "up"},
			{"link", "set", "up0", "up"},
			{"address", "add", "203.0.113.2/24", "dev", "up0"},
			{"route", "add", "default", "via", "203.0.113.1", "dev", "up0"},
		}, ispctl.Routed, "203.0.113.2/24", "203.0.113.1", "say vmac"},
		{"bridge of the operator's", [][]string{
			{"link", "add", "up0", "type", "bridge"},
			{"link", "set", "up0", "up"},
			{"address", "add", "203.0.113.2/24", "dev", "up0"},
			{"route", "add", "default", "via", "203.0.113.1", "dev", "up0"},
		}, ispctl.Bridged, "203.0.113.2/24", "203.0.113.1", "is a bridge"},
		{"nothing yet", [][]string{{"link", "add", "up0", "type", "veth", "peer", "name", "up1"}}, ispctl.Routed, "", "", "no address yet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testkit.NetNS(t)
			for _, argv := range tt.set {
				testkit.Sh(t, append([]string{"ip"}, argv...)...)
			}
			got, err := open(t).Detect("up0")
			if err != nil {
				t.Fatal(err)
			}
			var address netip.Prefix
			var gateway netip.Addr
			if tt.address != "" {
				address, gateway = netip.MustParsePrefix(tt.address), netip.MustParseAddr(tt.gateway)
			}
			if got.Kind != tt.kind || got.Address != address || got.Gateway != gateway || !strings.Contains(got.Why, tt.why) {
				t.Errorf("%+v", got)
			}
		})
	}
	testkit.NetNS(t)
	if _, err := open(t).Detect("nope0"); ispctl.KindOf(err) != ispctl.NotFound {
		t.Error(err)
	}
}
