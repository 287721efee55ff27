package document_test

import (
	"strings"
	"testing"

	"ispctl"
	"ispctl/operations/document"
)

// TestSharing: it reads what it writes, and says nothing where all is as by
// default.
func TestSharing(t *testing.T) {
	for _, s := range []ispctl.Sharing{
		{}, {MemoryReserve: ispctl.GiB}, {MemoryReserve: ispctl.GiB, MemoryOvercommit: 150, DiskOvercommit: ispctl.NoLimit}, {DiskOvercommit: 200},
	} {
		text, err := document.Export(&ispctl.Model{Sharing: s})
		if err != nil {
			t.Fatal(err)
		}
		d, err := document.Parse("p.yaml", text)
		switch {
		case err != nil:
			t.Errorf("%v\n%s", err, text)
		case s == (ispctl.Sharing{}):
			if d.Sharing != nil {
				t.Errorf("%+v\n%s", d.Sharing, text)
			}
		case d.Sharing == nil || d.Sharing.Over(ispctl.Sharing{}) != s:
			t.Errorf("%+v is read as %+v\n%s", s, d.Sharing, text)
		}
	}
	d, err := document.Parse("p.yaml", []byte("version: 1\nsharing: {memory_overcommit: default}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Sharing.Over(ispctl.Sharing{MemoryReserve: ispctl.GiB, MemoryOvercommit: 300}); got != (ispctl.Sharing{MemoryReserve: ispctl.GiB}) {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]string{
		"{memory_overcommit: none}": "is not written as 150%", "{memory_overcommit: 50%}": "is not 100% to 1000%", "{disk_overcommit: 5000%}": "is not 100% to 1000%",
		"{memory_reserve: 1MiB}": "is not 64MiB to", "{memory_reserve: 12}": "has no unit", "{colour: red}": "unknown key", "[1]": "want a mapping",
	} {
		_, err := document.Parse("p.yaml", []byte("version: 1\nsharing: "+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "p.yaml:2:") {
			t.Errorf("%s: want %q, have %v", text, want, err)
		}
	}
}
