package operations

import (
	"context"
	"fmt"
	"net/netip"

	"ispctl/meter"
	"ispctl/meter/report"
	"ispctl/state"
)

// talks are what connections of a period carried, by meter: by service, and by
// remote.
type talks struct {
	services, remotes map[meter.ID][]report.Talk
}

// anywhere stands for all remotes, where sums are of services alone.
var anywhere = netip.PrefixFrom(netip.IPv6Unspecified(), 0)

func readTalks(ctx context.Context, usage *state.Usage, p meter.Period) (talks, error) {
	// Both are bounded, whatever guests did.
	var services, remotes meter.FlowTable[meter.ID]
	err := usage.EachFlow(ctx, p, nil, func(r meter.FlowRow[meter.ID]) {
		service, remote := meter.FlowKey{}, meter.FlowKey{}
		if !r.IsRest() {
			service = meter.FlowKey{Opened: r.Opened, Proto: r.Proto, Port: r.Port, Remote: anywhere}
			remote.Remote = r.Remote
		}
		services.Add(r.Owner, service, r.FlowSum)
		remotes.Add(r.Owner, remote, r.FlowSum)
	})
	return talks{namedTalks(services.Rows(), serviceName), namedTalks(remotes.Rows(), func(k meter.FlowKey) string { return k.Remote.String() })}, err
}

func namedTalks(rows []meter.FlowRow[meter.ID], name func(meter.FlowKey) string) map[meter.ID][]report.Talk {
	all := map[meter.ID][]report.Talk{}
	for _, r := range rows {
		t := report.Talk{FlowSum: r.FlowSum}
		if !r.IsRest() {
			t.Name = name(r.FlowKey)
		}
		all[r.Owner] = append(all[r.Owner], t)
	}
	return all
}

// serviceName is a service of others, or one that the guest itself has.
func serviceName(k meter.FlowKey) string {
	name := protocolName(k.Proto)
	if k.Port != 0 {
		name += fmt.Sprintf("/%d", k.Port)
	}
	if !k.Opened {
		name += " of its own"
	}
	return name
}
