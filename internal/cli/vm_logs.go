package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
)

func (a *app) vmLogs() *cobra.Command {
	var lines int
	var follow, raw bool
	c := &cobra.Command{
		Use: "logs NAME", Short: "Show what a VM wrote to its serial console",
		Long: `Show what a VM wrote to its serial console.

Characters that steer a terminal are shown, not sent: what a guest writes is its
own choice.`,
		Example: "  ispctl vm logs web1\n  ispctl vm logs web1 --lines 20 --follow",
		Args:    args(1, "the name of a VM"), ValidArgsFunction: first(a.complete(vmNames)),
		RunE: func(c *cobra.Command, given []string) error {
			if lines < 0 {
				return ispctl.Invalid("lines", fmt.Sprint(lines), "is negative")
			}
			p, _, err := a.reader(c.Context())
			if err != nil {
				return err
			}
			m, err := p.Store.Model(c.Context())
			if err != nil {
				return err
			}
			vm, err := m.VM(given[0])
			if err != nil {
				return err
			}
			f, err := os.Open(a.paths().SerialLog(vm.UUID))
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it has never run, and so never said anything
			}
			if err != nil {
				return fmt.Errorf("log of vm %q: %w", given[0], err)
			}
			defer f.Close() //nolint:errcheck // it was only read
			if err := seekLines(f, lines); err != nil {
				return fmt.Errorf("log of vm %q: %w", given[0], err)
			}
			out := a.streams.Out
			if !raw {
				out = &visible{to: out}
			}
			return pour(c.Context(), out, f, follow)
		},
	}
	c.Flags().IntVarP(&lines, "lines", "n", 100, "how many of the last lines; 0: all")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is written from now on")
	c.Flags().BoolVar(&raw, "raw", false, "send what the guest wrote as it is")
	return c
}

// pour copies a file that may still grow.
func pour(ctx context.Context, out io.Writer, f io.Reader, follow bool) error {
	for {
		if _, err := io.Copy(out, f); err != nil {
			return err
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// seekLines goes to the beginning of the last n lines; 0: of all.
func seekLines(f io.ReadSeeker, n int) error {
	if n == 0 {
		return nil
	}
	const block = 4096
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	b := make([]byte, block)
	for at := end; at > 0; {
		size := min(at, block)
		at -= size
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.ReadFull(f, b[:size]); err != nil {
			return err
		}
		for i := size - 1; i >= 0; i-- {
			if b[i] != '\n' || at+i == end-1 { // the last line's own end begins none
				continue
			}
			if n--; n == 0 {
				_, err := f.Seek(at+i+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// visible writes control characters as ^X, and bytes that are no UTF-8 as the
// replacement character.
type visible struct {
	to   io.Writer
	rest []byte // of a character that has not come whole
}

// Write implements [io.Writer].
func (v *visible) Write(b []byte) (int, error) {
	w := bufio.NewWriter(v.to)
	text := append(v.rest, b...)
	whole := len(text) - unfinished(text)
	for _, r := range string(text[:whole]) {
		switch {
		case r == '\n', r == '\t':
			w.WriteRune(r)
		case r == '\r':
			// Every line of a console ends with one.
		case r < 0x20 || r == 0x7f:
			w.WriteByte('^')
			w.WriteRune(r ^ 0x40)
		case r >= 0x80 && r < 0xa0: // C1: some terminals take them for escapes
			w.WriteRune('\ufffd')
		default:
			w.WriteRune(r)
		}
	}
	v.rest = append([]byte(nil), text[whole:]...)
	return len(b), w.Flush()
}

// unfinished is how many bytes at the end begin a character that is not whole.
func unfinished(b []byte) int {
	for n := 1; n <= min(3, len(b)); n++ {
		switch c := b[len(b)-n]; {
		case c < 0x80:
			return 0
		case c >= 0xc0:
			if size := leading(c); size > n {
				return n
			}
			return 0
		}
	}
	return 0
}

// leading is how long a character is that begins with that byte (RFC 3629).
func leading(c byte) int {
	switch {
	case c >= 0xf0:
		return 4
	case c >= 0xe0:
		return 3
	}
	return 2
}
