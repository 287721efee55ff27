// Package crash ends in a panic.
package crash

import "testing"

func TestBefore(*testing.T) {}

func TestPanic(*testing.T) { panic("at the disco") }

func TestAfter(*testing.T) {}
