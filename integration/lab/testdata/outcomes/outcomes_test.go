// Package outcomes has a test of each outcome, and output that ends in no line.
package outcomes

import (
	"fmt"
	"os"
	"testing"
)

func TestPass(t *testing.T) {
	t.Run("sub", func(t *testing.T) { fmt.Print("empty lines\n\n\n") })
}

func TestSkip(t *testing.T) { t.Skip("because") }

func TestFail(t *testing.T) { t.Error("boom") }

func TestReadsTestdata(t *testing.T) {
	if text, err := os.ReadFile("testdata/word"); err != nil || string(text) != "lab\n" {
		t.Error(string(text), err)
	}
}

func TestLast(*testing.T) { fmt.Print("no end of line") }
