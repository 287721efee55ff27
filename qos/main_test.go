package qos_test

import (
	"flag"
	"os"
	"testing"
)

// sideBySide is how many tests run at once: those that may mostly wait for what
// passes slowly on purpose, each in namespaces of its own.
const sideBySide = "3"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		panic(err) // the flag is the testing package's
	}
	os.Exit(m.Run())
}
