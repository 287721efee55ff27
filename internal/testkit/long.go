package testkit

import (
	"os"
	"testing"
)

// LongEnv names the environment variable that `make test-all` sets: with it
// the tests run that are too long for `make test`.
const LongEnv = "ISPCTL_TEST_LONG"

// Long skips the test, with a reason that is counted, unless long tests were
// asked for.
func Long(t testing.TB, takes string) {
	t.Helper()
	if os.Getenv(LongEnv) == "" {
		t.Skipf("takes %s: runs with make test-all (%s=1)", takes, LongEnv)
	}
}
