package libvirtd

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"

	"ispctl"
)

// status is what of a guest's status file, in which the embedded driver keeps
// what runs, is of interest before the driver itself reads it.
type status struct {
	State, Reason, PID string // of the process
	ID                 string // of its start
}

// readStatuses reads the status files of all guests that run, by their paths.
func readStatuses(paths ispctl.Paths) (map[string]status, error) {
	files, err := filepath.Glob(filepath.Join(paths.Embed(), "run", "qemu", "*.xml"))
	if err != nil {
		return nil, err
	}
	all := map[string]status{}
	var text bytes.Buffer
	for _, file := range files {
		text.Reset()
		if err := readInto(&text, file); err != nil {
			return nil, fmt.Errorf("read state of the embedded driver: %w", err)
		}
		all[file] = parseStatus(text.Bytes())
	}
	return all, nil
}

func readInto(text *bytes.Buffer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	_, err = text.ReadFrom(f)
	return err
}

// parseStatus decodes the two elements that count, and passes over the hundreds
// between them: every command reads the files of all guests that run. A file that
// is no status file, which libvirt will refuse as well, says nothing.
func parseStatus(text []byte) status {
	root, rest := element(text, "domstatus")
	if root == nil {
		return status{}
	}
	s := status{State: root["state"], Reason: root["reason"], PID: root["pid"]}
	domain, _ := element(rest, "domain")
	s.ID = domain["id"]
	return s
}

// element gives the attributes of the first element of that name, which has some,
// and what comes after it; nil: there is none.
func element(text []byte, name string) (attributes map[string]string, rest []byte) {
	at := bytes.Index(text, []byte("<"+name+" "))
	if at < 0 {
		return nil, nil
	}
	d := xml.NewDecoder(bytes.NewReader(text[at:]))
	token, err := d.RawToken()
	start, ok := token.(xml.StartElement)
	if err != nil || !ok {
		return nil, nil
	}
	attributes = map[string]string{}
	for _, a := range start.Attr {
		attributes[a.Name.Local] = a.Value
	}
	return attributes, text[at+int(d.InputOffset()):]
}
