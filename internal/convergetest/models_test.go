package convergetest

import (
	"testing"

	"ispctl"
)

func TestModelsAreValid(t *testing.T) {
	inst := ispctl.Installation{Prefix: "isp", Hypervisor: "test:///default"}
	for i, m := range Models(inst, ispctl.Paths{}) {
		if err := m.Validate(); err != nil {
			t.Errorf("model %d: %v", i, err)
		}
	}
}
