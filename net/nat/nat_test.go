package nat_test

import (
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/nfttest"
	"ispctl/net/nat"
)

func layer() nfttest.Layer {
	inst := ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}
	return nfttest.Layer{Name: nat.Layer, Desired: nat.Desired, Models: convergetest.Models(inst, ispctl.Paths{})}
}

func TestLawsOnFake(t *testing.T)    { layer().LawsOnFake(t) }
func TestLawsOnKernel(t *testing.T)  { layer().LawsOnKernel(t) }
func TestTextIsTruth(t *testing.T)   { layer().TextIsTruth(t) }
func TestChangesAsText(t *testing.T) { layer().Goldens(t) }

func TestByHand(t *testing.T) {
	layer().SeenByHand(t,
		"delete table ip ispctl-nat",
		"flush map ip ispctl-nat forwards",
		"delete element ip ispctl-nat sources { 10.10.0.0/24 }",
		"add element ip ispctl-nat sources { 10.99.0.0/24 : 203.0.113.11 }",
		"add rule ip ispctl-nat postrouting masquerade",
	)
}
