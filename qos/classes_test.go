package qos_test

import (
	"testing"

	"ispctl/internal/nfttest"
	"ispctl/qos"
)

func classes() nfttest.Layer {
	return nfttest.Layer{Name: qos.ClassLayer, Desired: qos.DesiredClasses, Models: models()}
}

func TestClassLawsOnFake(t *testing.T) { classes().LawsOnFake(t) }
func TestClassLawsOnKernel(t *testing.T) {
	t.Parallel()
	classes().LawsOnKernel(t)
}

func TestClassTextIsTruth(t *testing.T) {
	t.Parallel()
	classes().TextIsTruth(t)
}

func TestClassChangesAsText(t *testing.T) { classes().Goldens(t) }

func TestClassesByHand(t *testing.T) {
	l := classes()
	l.Models[2] = limited(1) // which has classes
	l.SeenByHand(t, "delete table inet ispctl-qos", "flush map inet ispctl-qos classes", "add rule inet ispctl-qos forward drop")
}
