package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// grace is what a test binary is given beyond its time, to say where it stood.
const grace = 5 * time.Second

// follow reads what the machine says until all tests are done.
func (r *run) follow(m *machine) error {
	f := follower{run: r}
	deadline := time.Now().Add(r.o.Timeout + grace)
	for {
		line, err := m.line(time.Until(deadline))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = fmt.Errorf("not done after %v", r.o.Timeout+grace)
		case errors.Is(err, io.EOF):
			err = errors.New("the machine has ended")
		}
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", f.where(), err), f.cut(line))
		}
		last, err := f.line(line)
		if err != nil {
			return errors.Join(err, f.cut(""))
		}
		if last {
			return nil
		}
	}
}

// follower takes the lines of the script that [payload.script] writes.
type follower struct {
	run      *run
	decoder  *decoder // of the package that is running
	finished string   // the package before
	held     string   // empty lines that may end here
}

func (f *follower) where() string {
	switch {
	case f.decoder != nil:
		return "in " + f.decoder.pkg
	case f.finished != "":
		return "after " + f.finished
	}
	return "before the first test"
}

// line returns whether it was the last one.
func (f *follower) line(line string) (last bool, err error) {
	word, ours := strings.CutPrefix(line, f.run.mark+" ")
	fields := strings.Fields(word)
	switch {
	case !ours && f.decoder == nil:
		f.run.o.Log("machine: " + strings.TrimSpace(line))
		return false, nil
	case !ours && line == "\n":
		// The script prints one itself, since what a test printed need not
		// have ended its last line.
		f.held += line
		return false, nil
	case !ours:
		_, err := io.WriteString(f.decoder.in, f.held+line)
		f.held = ""
		return false, err
	case len(fields) == 2 && fields[0] == "start":
		var i int
		if _, err := fmt.Sscan(fields[1], &i); err != nil || i < 0 || i >= len(f.run.packages) {
			return false, errors.Join(err, fmt.Errorf("there is no package %q", fields[1]))
		}
		path := f.run.packages[i].Path
		f.run.o.Log("test " + path)
		f.decoder, err = decode(f.run.test2json, path, f.run.o.JSON)
		return false, err
	case len(fields) == 3 && fields[0] == "end" && f.decoder != nil:
		if f.held != "" {
			if _, err := io.WriteString(f.decoder.in, f.held[1:]); err != nil {
				return false, err
			}
		}
		return false, f.end(fields[2])
	case len(fields) == 1 && fields[0] == "done":
		return true, nil
	}
	return false, fmt.Errorf("%s: the machine says %q", f.where(), word)
}

func (f *follower) end(status string) error {
	tests, err := f.decoder.end(status)
	f.run.result.Tests = append(f.run.result.Tests, tests...)
	took := time.Since(f.decoder.started).Round(100 * time.Millisecond)
	f.run.o.Log(fmt.Sprintf("test %s: %s in %v", f.decoder.pkg, Result{Tests: tests}.counts(), took))
	f.finished, f.decoder, f.held = f.decoder.pkg, nil, ""
	return err
}

// cut ends the package that is running, in the middle of a line.
func (f *follower) cut(line string) error {
	if f.decoder == nil {
		return nil
	}
	_, err := io.WriteString(f.decoder.in, f.held+line+"\n")
	return errors.Join(err, f.end("unknown"))
}
