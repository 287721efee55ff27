package libvirtd

import (
	"encoding/json"
	"errors"
	"fmt"

	"libvirt.org/go/libvirt"
)

// qmp has QEMU do what libvirt has no call for. It changes nothing that libvirt
// keeps books of.
func qmp(dom *libvirt.Domain, execute string, arguments, into any) error {
	command, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}{execute, arguments})
	if err != nil {
		return err
	}
	answer, err := dom.QemuMonitorCommand(string(command), libvirt.DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT)
	if err != nil {
		return fmt.Errorf("%s: %w", execute, text(err))
	}
	var said struct {
		Return json.RawMessage `json:"return"`
		Error  *struct {
			Desc string `json:"desc"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(answer), &said); err != nil {
		return fmt.Errorf("%s: %w", execute, err)
	}
	if said.Error != nil {
		return fmt.Errorf("%s: %w", execute, errors.New(said.Error.Desc))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(said.Return, into)
}

// block is a disk as QEMU lists them.
type block struct {
	QDev     string `json:"qdev"`
	Inserted struct {
		File string `json:"file"`
		Node string `json:"node-name"`
	} `json:"inserted"`
}

func queryBlock(dom *libvirt.Domain) (all []block, err error) {
	return all, qmp(dom, "query-block", nil, &all)
}

// nodesOf are the names of the nodes that have a file open.
func nodesOf(dom *libvirt.Domain, file string) ([]string, error) {
	var all []struct {
		File string `json:"file"`
		Node string `json:"node-name"`
	}
	if err := qmp(dom, "query-named-block-nodes", map[string]any{"flat": true}, &all); err != nil {
		return nil, err
	}
	var nodes []string
	for _, n := range all {
		if n.File == file {
			nodes = append(nodes, n.Node)
		}
	}
	return nodes, nil
}
