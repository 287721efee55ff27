package libvirtd

import (
	"bufio"
	"encoding/xml"
	"errors"
	"io"
	"os"
)

// status is what of a guest's status file, in which the embedded driver keeps
// what runs, is of interest before the driver itself reads it.
type status struct {
	State, Reason, PID string // of the process
	ID                 string // of its start
}

// readStatus reads as far as the definition, which is most of the file: every
// command reads those of all guests that run. A file that is no status file,
// which libvirt will refuse as well, says nothing.
func readStatus(file string) (s status, err error) {
	f, err := os.Open(file)
	if err != nil {
		return s, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	d := xml.NewDecoder(bufio.NewReader(f))
	for depth := 0; ; {
		token, err := d.RawToken()
		if _, garbled := errors.AsType[*xml.SyntaxError](err); garbled || errors.Is(err, io.EOF) {
			return status{}, nil
		}
		if err != nil {
			return status{}, err
		}
		switch e := token.(type) {
		case xml.EndElement:
			depth--
		case xml.StartElement:
			depth++
			switch {
			case depth == 1 && e.Name.Local != "domstatus":
				return status{}, nil
			case depth == 1:
				s.State, s.Reason, s.PID = attribute(e, "state"), attribute(e, "reason"), attribute(e, "pid")
			case depth == 2 && e.Name.Local == "domain":
				s.ID = attribute(e, "id")
				return s, nil
			}
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
