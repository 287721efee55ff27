// Package oops takes the kernel down.
package oops

import (
	"os"
	"testing"
	"time"
)

func TestOops(t *testing.T) {
	if os.Getenv("ISPCTL_LAB") == "" {
		t.Skip("only in the lab")
	}
	if err := os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0); err != nil {
		t.Error(err)
	}
	time.Sleep(time.Minute)
}
