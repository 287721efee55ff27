package firewall

import (
	"ispctl"
	"ispctl/net/nft"
)

// blockedChain says why a guest may say nothing. It is a chain of its own so
// that a frame of any other guest is looked up once and not twice.
const blockedChain = "blocked"

func blockedRules() []nft.Rule {
	return []nft.Rule{
		rule("its tenant is suspended", nft.In(stopped, nft.InLink), condemn(suspended)),
		rule("its quota is used up", condemn(overQuota)),
	}
}

// addBlocked takes the floor from guests: on every NIC where their tenant is
// suspended, and on all but the admin leg where their quota is used up. It is
// about frames, so that no connection that was open before goes on.
func addBlocked(t nft.Table, m *ispctl.Model) {
	spent := map[ispctl.Name]bool{}
	for _, throttled := range m.Throttles {
		if throttled.Action == ispctl.ActionBlock {
			spent[throttled.VM] = true
		}
	}
	for vm := range m.Guests() {
		halted := m.Suspended(vm)
		for _, nic := range vm.NICs {
			tap := element(nft.Ifname(nic.Tap))
			if halted {
				t.Add(stopped, tap)
			}
			if halted || spent[vm.Name] && nic.Role != ispctl.AdminNIC {
				t.Add(blocked, tap)
			}
		}
	}
}
