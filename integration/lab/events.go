package lab

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// event is one line of `go test -json`; see go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64
	Output  string
}

// decoder turns what a test binary prints into events, by the Go tool that go
// test itself has for it.
type decoder struct {
	pkg     string
	cmd     *exec.Cmd
	in      io.WriteCloser
	ended   chan error
	tests   []Test
	started time.Time
}

// decode starts a decoder for a package. What it finds goes to out as well,
// line by line, if out is not nil.
func decode(tool, pkg string, out io.Writer) (*decoder, error) {
	d := &decoder{pkg: pkg, cmd: exec.Command(tool, "-t", "-p", pkg), ended: make(chan error, 1), started: time.Now()}
	var err error
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	events, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("test2json: %w", err)
	}
	go func() { d.ended <- d.read(events, out) }()
	return d, nil
}

func (d *decoder) read(events io.Reader, out io.Writer) error {
	output := map[string]*strings.Builder{}
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
		if out != nil {
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("test2json: %w", err)
		}
		switch e.Action {
		case "output":
			if output[e.Test] == nil {
				output[e.Test] = &strings.Builder{}
			}
			output[e.Test].WriteString(e.Output)
		case "pass", "fail", "skip":
			t := Test{Package: d.pkg, Name: e.Test, Outcome: Outcome(e.Action), Elapsed: time.Duration(e.Elapsed * float64(time.Second))}
			if b := output[e.Test]; b != nil {
				t.Output = b.String()
			}
			d.tests = append(d.tests, t)
		}
	}
}

// marker is what test2json tells the words of package testing from those of a
// test by.
const marker = "\x16"

// end ends the package, of which the machine told the exit status, and returns
// all its tests. One without a name stands for the binary itself.
func (d *decoder) end(status string) ([]Test, error) {
	var err error
	if status != "0" {
		_, err = fmt.Fprintf(d.in, "exit status %s\n%sFAIL\t%s\t%.3fs\n", status, marker, d.pkg, time.Since(d.started).Seconds())
	}
	err = errors.Join(err, d.in.Close(), <-d.ended, d.cmd.Wait())
	return d.tests, err
}
