package cli

import (
	"testing"

	"ispctl/qos"
)

// TestFallbacks: what a kernel lacks is said, with what is done instead, and
// nothing is said where nothing is lacking.
func TestFallbacks(t *testing.T) {
	means := func(leaf qos.Kind, crowds bool) qos.Means {
		return qos.Means{Leaf: func() qos.Kind { return leaf }, Crowds: func() bool { return crowds }}
	}
	if all := fallbacksOf(means(qos.FQCodel, true)); len(all) != 0 {
		t.Errorf("nothing is lacking: %+v", all)
	}
	all := fallbacksOf(means(qos.FIFO, false))
	if len(all) != 2 || all[0].Lacks != "fq_codel" || all[0].Instead != "bfifo in its place" || all[1].Means == "" {
		t.Errorf("%+v", all)
	}
}
