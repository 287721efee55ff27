package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVisible(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"text", "a line\r\nanother\tone\n", "a line\nanother\tone\n"},
		{"an escape sequence", "\x1b]0;title\x07", "^[]0;title^G"},
		{"a C1 control", "\u009b31m", "\ufffd31m"},
		{"DEL", "\x7f", "^?"},
		{"other scripts", "gr\u00fc\u00df \u65e5\u672c \U0001f600", "gr\u00fc\u00df \u65e5\u672c \U0001f600"},
		{"no UTF-8", "a\xffb", "a\ufffdb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, step := range []int{1, 2, 3, 100} { // in pieces it is the same
				var out bytes.Buffer
				v := &visible{to: &out}
				for rest := tt.in; rest != ""; rest = rest[min(step, len(rest)):] {
					if _, err := v.Write([]byte(rest[:min(step, len(rest))])); err != nil {
						t.Fatal(err)
					}
				}
				if out.String() != tt.want {
					t.Errorf("by %d: %q, want %q", step, out.String(), tt.want)
				}
			}
		})
	}
}

func TestSeekLines(t *testing.T) {
	long := strings.Repeat("x", 5000)
	text := "one\n" + long + "\nthree\nfour\n"
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{0: text, 1: "four\n", 2: "three\nfour\n", 3: long + "\nthree\nfour\n", 4: text, 99: text} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := seekLines(f, n); err != nil {
			t.Fatal(err)
		}
		if _, err := out.ReadFrom(f); err != nil || out.String() != want {
			t.Errorf("%d lines: %.40q, %v", n, out.String(), err)
		}
		_ = f.Close()
	}
}
