package vm

import (
	"encoding/xml"
	"fmt"
)

// Namespace is the XML namespace of the ownership mark.
const Namespace = "https://ispctl.invalid/xmlns/1"

// mark is the element in <metadata> that makes a domain ours. encoding/xml
// writes a name with a colon as it stands; virsh metadata shows the prefix.
type mark struct {
	XMLName      xml.Name `xml:"ispctl:vm"`
	Namespace    string   `xml:"xmlns:ispctl,attr"`
	Installation string   `xml:"installation,attr"`
	ID           int64    `xml:"id,attr"`
	VM           string   `xml:"name,attr"`
	Order        int      `xml:"order,attr,omitempty"`
	Delay        int      `xml:"delay,attr,omitempty"`
}

func encodeMark(d Domain, installation string) (string, error) {
	b, err := xml.Marshal(mark{Namespace: Namespace, Installation: installation, ID: d.ID, VM: string(d.VM), Order: d.Order, Delay: d.Delay})
	if err != nil {
		return "", fmt.Errorf("write ownership mark: %w", err)
	}
	return string(b), nil
}
