package bench

import (
	"bufio"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"ispctl/internal/testkit"
)

// marker is the name of the link and the table by which monitors are known to
// be awake. It is in no name of ours.
const marker = "mark0"

// listen starts `nft monitor` and `ip monitor`, and returns what they tell
// until the returned function is called. Silence proves something because each
// of them has told of the marker before and after.
func listen(tb testing.TB) (told func() []string) {
	tb.Helper()
	monitors := []<-chan string{monitor(tb, "nft", "monitor"), monitor(tb, "ip", "monitor", "link", "address", "route", "rule")}
	untilMarked(tb, monitors)
	return func() []string { return untilMarked(tb, monitors) }
}

// monitor starts a program that tells of changes, and ends it with the test.
func monitor(tb testing.TB, argv ...string) <-chan string {
	tb.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	out, err := cmd.StdoutPipe()
	check(tb, err)
	check(tb, cmd.Start())
	lines := make(chan string, 1<<16)
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return lines
}

// untilMarked makes the marker, again and again until every monitor has told of
// it, and returns what else they told.
func untilMarked(tb testing.TB, monitors []<-chan string) []string {
	tb.Helper()
	const tries = 100
	var told []string
	pending := slices.Clone(monitors)
	for range tries {
		mark(tb)
		pending = slices.DeleteFunc(pending, func(from <-chan string) bool {
			lines, marked := drain(from)
			told = append(told, lines...)
			return marked
		})
		if len(pending) == 0 {
			return told
		}
	}
	tb.Fatal("a monitor does not tell of what happens")
	return nil
}

func mark(tb testing.TB) {
	tb.Helper()
	testkit.Sh(tb, "ip", "link", "add", marker, "type", "bridge")
	testkit.Sh(tb, "nft", "add table bridge "+marker)
	testkit.Sh(tb, "ip", "link", "delete", marker)
	testkit.Sh(tb, "nft", "delete table bridge "+marker)
}

// drain reads what a monitor tells until it is silent for a moment.
func drain(from <-chan string) (other []string, marked bool) {
	for {
		select {
		case line := <-from:
			switch {
			case strings.Contains(line, marker):
				marked = true
			case line != "" && line[0] != '#' && line[0] != ' ': // neither nft's generations nor the rest of a link
				other = append(other, line)
			}
		case <-time.After(100 * time.Millisecond):
			return other, marked
		}
	}
}
