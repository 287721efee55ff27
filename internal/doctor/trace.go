package doctor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"ispctl"
)

// drop is what took a packet.
type drop struct {
	family, table, chain string
	handle               uint64 // of the rule; 0: the chain's policy
	text                 string // the rule, as nft(8) has it
	ufw, docker          bool   // the table has chains of theirs
}

func (d *drop) String() string {
	if d.handle == 0 {
		return fmt.Sprintf("policy drop of chain %s %s %s took it", d.family, d.table, d.chain)
	}
	return fmt.Sprintf("rule %q (handle %d) of chain %s %s %s took it", d.text, d.handle, d.family, d.table, d.chain)
}

func (d *drop) ours(i ispctl.Installation) bool { return strings.HasPrefix(d.table, i.Table("")) }

// traceTable is ours for the time of a trace. No layer owns it.
func traceTable(i ispctl.Installation) string { return i.Table("doctor") }

// blame sends the packet once more under a trace. It is nil where no rule took
// it.
func (p *Patient) blame(ctx context.Context, q path) (found *drop, err error) {
	ear, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{Groups: 1 << (unix.NFNLGRP_NFTRACE - 1)})
	if err != nil {
		return nil, err
	}
	defer ear.Close() //nolint:errcheck // it was only listened to
	conn, err := nftables.New()
	if err != nil {
		return nil, err
	}
	table := mark(conn, p.Model.Installation, q)
	if err := conn.Flush(); err != nil {
		return nil, fmt.Errorf("begin a trace: %w", err)
	}
	defer func() {
		conn.DelTable(table)
		if errEnd := conn.Flush(); !errors.Is(errEnd, unix.ENOENT) {
			err = errors.Join(err, errEnd)
		}
	}()
	if _, _, err := p.Probe(ctx, q.from, q.to, q.opening, q.family); err != nil {
		return nil, err
	}
	if err := ear.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		return nil, err
	}
	for found == nil {
		messages, err := ear.Receive()
		if err != nil {
			return nil, nil // the time is up: it told of no drop
		}
		for _, m := range messages {
			if d := readTrace(m); d != nil && found == nil {
				found = d
			}
		}
	}
	found.describe(ctx)
	return found, nil
}

// mark makes a table that has packets of the path traced from the first hook on.
func mark(conn *nftables.Conn, i ispctl.Installation, q path) *nftables.Table {
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: traceTable(i)})
	chain := conn.AddChain(&nftables.Chain{
		Name: "prerouting", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRef(-400), // before all that is usual
	})
	link := make([]byte, unix.IFNAMSIZ)
	copy(link, i.Bridge(ispctl.Name(q.from)))
	from := []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: link}}
	const sourcePort, destPort = 0, 2 // of TCP and UDP alike
	rule := func(first []expr.Any, port uint32) {
		exprs := append(first, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocolOf(q)}})
		if q.opening.Port != 0 {
			exprs = append(exprs,
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: port, Len: 2},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, q.opening.Port)})
		}
		exprs = append(exprs, &expr.Immediate{Register: 1, Data: []byte{1}}, &expr.Meta{Key: expr.MetaKeyNFTRACE, Register: 1, SourceRegister: true})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
	}
	rule(from, destPort)
	rule(nil, sourcePort) // its answer
	return table
}

func protocolOf(q path) byte {
	switch q.opening.Transport {
	case ispctl.TransportTCP:
		return unix.IPPROTO_TCP
	case ispctl.TransportUDP:
		return unix.IPPROTO_UDP
	}
	if q.family == ispctl.IPv6 {
		return unix.IPPROTO_ICMPV6
	}
	return unix.IPPROTO_ICMP
}

// Attributes of a trace (enum nft_trace_attributes of linux/netfilter/nf_tables.h).
const (
	traceTableAttr = 1
	traceChain     = 2
	traceHandle    = 3
	traceType      = 4
	traceVerdict   = 5
	tracePolicy    = 16

	typePolicy = 1
	typeRule   = 3

	verdictCode = 1
)

// readTrace reads one step of a packet; it is nil unless the packet ended there.
func readTrace(m netlink.Message) *drop {
	const header = 4 // struct nfgenmsg
	if len(m.Data) < header || m.Header.Type != unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_TRACE {
		return nil
	}
	a, err := netlink.NewAttributeDecoder(m.Data[header:])
	if err != nil {
		return nil
	}
	a.ByteOrder = binary.BigEndian
	d := &drop{family: familyName(m.Data[0])}
	const none = ^uint32(0)
	var kind uint32
	verdict, policy := none, none
	for a.Next() {
		switch a.Type() {
		case traceTableAttr:
			d.table = a.String()
		case traceChain:
			d.chain = a.String()
		case traceHandle:
			d.handle = a.Uint64()
		case traceType:
			kind = a.Uint32()
		case tracePolicy:
			policy = a.Uint32()
		case traceVerdict:
			a.Nested(func(n *netlink.AttributeDecoder) error {
				n.ByteOrder = binary.BigEndian
				for n.Next() {
					if n.Type() == verdictCode {
						verdict = n.Uint32()
					}
				}
				return nil
			})
		}
	}
	const nfDrop = 0
	switch {
	case a.Err() != nil:
		return nil
	case kind == typeRule && verdict == nfDrop:
		return d
	case kind == typePolicy && policy == nfDrop:
		d.handle = 0
		return d
	}
	return nil
}

func familyName(f byte) string {
	names := map[byte]string{unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_IPV6: "ip6", unix.NFPROTO_BRIDGE: "bridge", unix.NFPROTO_NETDEV: "netdev", unix.NFPROTO_ARP: "arp"}
	if name, ok := names[f]; ok {
		return name
	}
	return "family " + strconv.Itoa(int(f))
}

// describe has nft(8) say what the rule is, if it is installed. It is only read.
func (d *drop) describe(ctx context.Context) {
	d.text = "?"
	out, err := exec.CommandContext(ctx, "nft", "-a", "list", "table", d.family, d.table).Output()
	if err != nil {
		return
	}
	d.ufw = strings.Contains(string(out), "\tchain ufw-")
	d.docker = strings.Contains(string(out), "\tchain DOCKER")
	suffix := fmt.Sprintf(" # handle %d", d.handle)
	in := false
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "chain ") {
			in = strings.HasPrefix(line, "chain "+d.chain+" ")
		}
		if rule, ok := strings.CutSuffix(line, suffix); ok && in {
			d.text = rule
		}
	}
}
