package firewall_test

import (
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/nfttest"
	"ispctl/net/firewall"
)

func layer() nfttest.Layer {
	inst := ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}
	return nfttest.Layer{Name: firewall.Layer, Desired: firewall.Desired, Models: convergetest.Models(inst, ispctl.Paths{})}
}

func TestLawsOnFake(t *testing.T)    { layer().LawsOnFake(t) }
func TestLawsOnKernel(t *testing.T)  { layer().LawsOnKernel(t) }
func TestTextIsTruth(t *testing.T)   { layer().TextIsTruth(t) }
func TestChangesAsText(t *testing.T) { layer().Goldens(t) }

func TestByHand(t *testing.T) {
	layer().SeenByHand(t,
		"delete table inet ispctl-firewall",
		"flush chain inet ispctl-firewall forward",
		"insert rule inet ispctl-firewall forward accept",
		"add chain inet ispctl-firewall forward { policy drop; }",
		"add chain inet ispctl-firewall other",
		"delete element inet ispctl-firewall zones { \"isp-dmz\" }",
		"add element inet ispctl-firewall egress { \"isp-mail\" }",
		"flush ruleset",
	)
}
