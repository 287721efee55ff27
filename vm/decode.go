package vm

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"ispctl"
)

// Decode reads what we manage out of a domain's XML, as libvirt prints it for
// DOMAIN_XML_INACTIVE. It reports false for a domain that does not bear the
// installation's mark. Whether a domain runs, its XML does not say.
//
// A value of ours that somebody made senseless becomes a zero, which nobody
// wants, so that the next pass writes the definition anew.
//
// It walks the document rather than unmarshal it into libvirtxml's types, which
// takes several times as long.
func Decode(data []byte, installation string) (Domain, bool, error) {
	r := reader{installation: installation}
	if !scan(string(data), &r) {
		r = reader{installation: installation}
		if err := walk(data, &r); err != nil {
			return Domain{}, false, fmt.Errorf("read domain XML: %w", err)
		}
	}
	return r.domain, r.ours && r.domain.Name == domainName(installation, r.domain.VM), nil
}

// walk is for all the XML there is.
func walk(data []byte, r *reader) error {
	tokens := xml.NewDecoder(bytes.NewReader(data))
	for {
		t, err := tokens.RawToken()
		if err == io.EOF && len(r.path) > 0 {
			return io.ErrUnexpectedEOF
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			r.enter(t)
		case xml.EndElement:
			r.leave()
		case xml.CharData:
			r.text = append(r.text, t...)
		}
	}
}

func domainName(installation string, vm ispctl.Name) string {
	return ispctl.Installation{Prefix: installation}.Domain(vm)
}

// reader is where in the document a walk is, and what it has found.
type reader struct {
	installation string

	path []byte // "/domain/os/kernel"
	text []byte // of the innermost element
	unit string // of <memory>
	file string // of the <disk> that is being read
	dev  string // of the same
	id   string // of the same: its serial
	sec  string // model of the <seclabel> that is being read

	iotune DiskTuning // of the <disk>

	domain Domain
	ours   bool
}

func (r *reader) enter(e xml.StartElement) {
	r.text = r.text[:0]
	r.path = append(append(r.path, '/'), e.Name.Local...)
	switch string(r.path) {
	case "/domain":
		r.domain.Type = attr(e, "type")
	case "/domain/metadata/vm":
		r.mark(e)
	case "/domain/memory":
		r.unit = attr(e, "unit")
	case "/domain/memoryBacking/nosharepages":
		r.domain.Apart = true
	case "/domain/vcpu":
		r.domain.Tuning.CPUPin = ispctl.CPUSet(attr(e, "cpuset"))
	case "/domain/seclabel":
		r.sec = attr(e, "model")
	case "/domain/devices/disk":
		r.file, r.dev, r.id, r.iotune = "", "", "", DiskTuning{}
	case "/domain/devices/disk/source":
		r.file = attr(e, "file")
	case "/domain/devices/disk/target":
		r.dev = attr(e, "dev")
	case "/domain/devices/interface":
		r.domain.NICs = append(r.domain.NICs, NIC{})
	case "/domain/devices/interface/mac":
		r.nic().MAC = attr(e, "address")
	case "/domain/devices/interface/target":
		r.nic().Tap = attr(e, "dev")
	case "/domain/devices/serial/log":
		r.domain.SerialLog = attr(e, "file")
	case "/domain/devices/channel/target":
		if attr(e, "type") == "virtio" && attr(e, "name") == agentPort {
			r.domain.Agent = true
		}
	}
}

func (r *reader) leave() {
	d := &r.domain
	switch string(r.path) {
	case "/domain/name":
		d.Name = string(r.text)
	case "/domain/uuid":
		d.UUID = string(r.text)
	case "/domain/memory":
		d.Memory = memory(string(r.text), r.unit)
	case "/domain/cputune/shares":
		d.Tuning.CPUShares = count(r.text)
	case "/domain/cputune/global_quota":
		d.Tuning.CPUCeiling = ispctl.Percent(count(r.text) * 100 / Period)
	case "/domain/devices/disk/iotune/read_iops_sec":
		r.iotune.ReadIOPS = count(r.text)
	case "/domain/devices/disk/iotune/write_iops_sec":
		r.iotune.WriteIOPS = count(r.text)
	case "/domain/devices/disk/iotune/read_bytes_sec":
		r.iotune.ReadRate = ispctl.Size(count(r.text))
	case "/domain/devices/disk/iotune/write_bytes_sec":
		r.iotune.WriteRate = ispctl.Size(count(r.text))
	case "/domain/devices/disk/iotune/read_iops_sec_max":
		r.iotune.ReadIOPSBurst = count(r.text)
	case "/domain/devices/disk/iotune/write_iops_sec_max":
		r.iotune.WriteIOPSBurst = count(r.text)
	case "/domain/devices/disk/iotune/read_bytes_sec_max":
		r.iotune.ReadBurst = ispctl.Size(count(r.text))
	case "/domain/devices/disk/iotune/write_bytes_sec_max":
		r.iotune.WriteBurst = ispctl.Size(count(r.text))
	case "/domain/vcpu":
		d.CPUs, _ = strconv.Atoi(string(r.text))
	case "/domain/seclabel/label":
		if r.sec == dac {
			d.UID, d.GID = ids(string(r.text))
		}
	case "/domain/os/type":
		if d.Type == Xen {
			d.Kind = xenKinds[string(r.text)]
		}
	case "/domain/os/kernel":
		d.Kernel = string(r.text)
	case "/domain/os/initrd":
		d.Initrd = string(r.text)
	case "/domain/os/cmdline":
		d.Cmdline = string(r.text)
	case "/domain/devices/disk/serial":
		r.id = string(r.text)
	case "/domain/devices/disk":
		switch r.dev {
		case diskDev, xenDisks[ispctl.XenPV][0], xenDisks[ispctl.XenHVM][0]:
			d.Disk = r.file
			d.Tuning.Disk = r.iotune
		case seedDev, xenDisks[ispctl.XenPV][1], xenDisks[ispctl.XenHVM][1]:
			d.Seed = r.file
		default:
			d.Data = append(d.Data, Disk{File: r.file, Dev: r.dev, Serial: r.id})
		}
	}
	if i := bytes.LastIndexByte(r.path, '/'); i >= 0 {
		r.path = r.path[:i]
	}
	r.text = r.text[:0]
}

// mark reads the ownership mark. Raw tokens leave prefixes unresolved, so the
// element must declare the one it bears, as libvirt keeps it doing.
func (r *reader) mark(e xml.StartElement) {
	if namespace(e) != Namespace || attr(e, "installation") != r.installation {
		return
	}
	r.ours = true
	r.domain.VM = ispctl.Name(attr(e, "name"))
	r.domain.ID, _ = strconv.ParseInt(attr(e, "id"), 10, 64)
	r.domain.Order, _ = strconv.Atoi(attr(e, "order"))
	r.domain.Delay, _ = strconv.Atoi(attr(e, "delay"))
}

func (r *reader) nic() *NIC { return &r.domain.NICs[len(r.domain.NICs)-1] }

func count(text []byte) int64 {
	n, _ := strconv.ParseInt(string(text), 10, 64)
	return n
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func namespace(e xml.StartElement) string {
	for _, a := range e.Attr {
		if a.Name.Space == "xmlns" && a.Name.Local == e.Name.Space && e.Name.Space != "" {
			return a.Value
		}
	}
	return ""
}

// ids reads a label that user wrote; any other is 0, which nobody wants.
func ids(label string) (uid, gid uint32) {
	user, group, _ := strings.Cut(label, ":")
	read := func(id string) uint64 {
		n, _ := strconv.ParseUint(strings.TrimPrefix(id, "+"), 10, 32) // 0 where it fails
		return n
	}
	return uint32(read(user)), uint32(read(group))
}

// memory reads an amount as libvirt prints it: always in KiB, the default of
// the format.
func memory(text, unit string) ispctl.Size {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || unit != "" && unit != "KiB" {
		return 0
	}
	return ispctl.Size(n) * ispctl.KiB
}
