package vm

import "ispctl"

// weights are those of guests that libvirt is to give weights: of all of them as
// soon as one is promised CPU time. Nobody's else: then shares stand as they are,
// and who has none has what libvirt gives.
func (h Host) weights(m *ispctl.Model) map[int64]int64 {
	if h.Groups || h.CPUs == 0 {
		return nil
	}
	plans := make(map[ispctl.Name]ispctl.Limits, len(m.Plans))
	for _, p := range m.Plans {
		plans[p.Name] = p.Limits
	}
	for vm := range m.Guests() {
		if vm.Limits.Over(plans[vm.Plan]).CPUGuarantee > 0 {
			return m.CPUWeights(h.CPUs)
		}
	}
	return nil
}

func (h Host) tuning(l ispctl.Limits, weight int64) Tuning {
	t := Tuning{
		CPUShares: l.CPUShares, CPUCeiling: l.CPUCeiling, CPUPin: l.CPUPin,
		Disk: DiskTuning{
			ReadIOPS: l.ReadIOPS, WriteIOPS: l.WriteIOPS, ReadRate: l.ReadRate, WriteRate: l.WriteRate,
			ReadIOPSBurst: l.ReadIOPSBurst, WriteIOPSBurst: l.WriteIOPSBurst, ReadBurst: l.ReadBurst, WriteBurst: l.WriteBurst,
		},
	}
	if weight > 0 {
		t.CPUShares = weight
	}
	if h.Groups {
		t.CPUShares, t.CPUCeiling, t.CPUPin = 0, 0, ""
	}
	return t
}
