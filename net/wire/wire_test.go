package wire_test

import (
	"net"
	"testing"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/nfttest"
	"ispctl/net/wire"
)

var own = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x77}

func layer() nfttest.Layer {
	inst := ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}
	return nfttest.Layer{
		Name:    wire.Layer,
		Desired: wire.Desired(func(string) (wire.Link, error) { return wire.Link{MAC: own}, nil }),
		Models:  convergetest.Models(inst, ispctl.Paths{}), Device: "up0",
	}
}

func TestLawsOnFake(t *testing.T)    { layer().LawsOnFake(t) }
func TestLawsOnKernel(t *testing.T)  { layer().LawsOnKernel(t) }
func TestTextIsTruth(t *testing.T)   { layer().TextIsTruth(t) }
func TestChangesAsText(t *testing.T) { layer().Goldens(t) }

func TestByHand(t *testing.T) {
	layer().SeenByHand(t,
		"delete table netdev ispctl-wire",
		"flush chain netdev ispctl-wire leaving-up0",
		"add element netdev ispctl-wire macs { 02:00:00:00:00:99 }",
		"add rule netdev ispctl-wire leaving-up0 accept",
	)
}

// TestNoGate is of uplinks on which no frame can be stopped in this way.
func TestNoGate(t *testing.T) {
	m := layer().Models[1]
	for name, link := range map[string]wire.Link{"not there": {}, "a bridge": {MAC: own, Bridge: true}} {
		got, err := wire.Desired(func(string) (wire.Link, error) { return link, nil })(m)
		if err != nil || len(got) != 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
