package count_test

import (
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/nfttest"
	"ispctl/net/count"
)

func layer() nfttest.Layer {
	inst := ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}
	return nfttest.Layer{Name: count.Layer, Desired: count.Desired, Models: convergetest.Models(inst, ispctl.Paths{})}
}

func TestLawsOnFake(t *testing.T)    { layer().LawsOnFake(t) }
func TestLawsOnKernel(t *testing.T)  { layer().LawsOnKernel(t) }
func TestTextIsTruth(t *testing.T)   { layer().TextIsTruth(t) }
func TestChangesAsText(t *testing.T) { layer().Goldens(t) }

func TestByHand(t *testing.T) {
	layer().SeenByHand(t,
		"delete table bridge ispctl-count",
		"delete table inet ispctl-count",
		"flush chain bridge ispctl-count from-taps",
		"delete element bridge ispctl-count inside4 { 10.10.0.0/24 }",
		"add element inet ispctl-count addresses4 { 203.0.113.99 }",
		"insert rule bridge ispctl-count to-taps accept",
	)
}
