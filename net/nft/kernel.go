package nft

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"ispctl/converge"
)

// Kernel is the edge: the tables of one name in the network namespace it was
// opened in.
type Kernel struct {
	conn *nftables.Conn
	name string
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// socketBuffer holds one transaction of 10,000 elements and its answers. It is
// forced, past net.core.wmem_max, because a transaction cannot be split.
const socketBuffer = 16 << 20

// Open binds to the caller's network namespace. The tables called name, in
// every family, are ours; no other is read or written.
func Open(name string) (*Kernel, error) {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(forceBuffers))
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	return &Kernel{conn: conn, name: name}, nil
}

// Close closes the socket.
func (k *Kernel) Close() error { return k.conn.CloseLasting() }

func forceBuffers(c *netlink.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer))
	})
	return errors.Join(err, set)
}

// Observe reads our tables.
func (k *Kernel) Observe(context.Context) (State, error) {
	tables, err := k.conn.ListTables()
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	s := State{}
	for _, kt := range tables {
		family, known := families[kt.Family]
		if kt.Name != k.name || !known {
			continue
		}
		t, err := k.read(family, kt)
		if err != nil {
			return nil, fmt.Errorf("read table %s %s: %w", family, kt.Name, err)
		}
		s[t.key()] = t
	}
	return s, nil
}

// families are those a table of ours could be in.
var families = map[nftables.TableFamily]Family{
	nftables.TableFamilyINet: Inet, nftables.TableFamilyIPv4: IP,
}

func (k *Kernel) read(family Family, kt *nftables.Table) (Table, error) {
	t := Table{Family: family, Name: kt.Name, Elements: map[string]Elems{}}
	var lines []string
	sets, err := k.conn.GetSets(kt)
	if err != nil {
		return t, fmt.Errorf("list sets: %w", err)
	}
	for _, ks := range sets {
		set := Set{Name: ks.Name, Key: typesOf(ks.KeyType), Interval: ks.Interval}
		if ks.IsMap {
			set.Value = typesOf(ks.DataType)
		}
		elems, err := k.conn.GetSetElements(ks)
		if err != nil {
			return t, fmt.Errorf("list elements of %s: %w", ks.Name, err)
		}
		t.sets = append(t.sets, set)
		t.Elements[set.Name] = decode(set, elems)
		lines = append(lines, set.schema())
	}
	chains, err := k.conn.ListChainsOfTableFamily(kt.Family)
	if err != nil {
		return t, fmt.Errorf("list chains: %w", err)
	}
	for _, kc := range chains {
		if kc.Table.Name != kt.Name {
			continue
		}
		rules, err := k.conn.GetRules(kt, kc)
		if err != nil {
			return t, fmt.Errorf("list rules of %s: %w", kc.Name, err)
		}
		comments := make([]string, len(rules))
		for i, r := range rules {
			comments[i], _ = userdata.GetString(r.UserData, userdata.TypeComment)
		}
		lines = append(lines, Chain{Name: kc.Name, Hook: hookOf(kc)}.structure(comments))
	}
	t.Structure = canonical(lines)
	return t, nil
}

// typesOf names the fields of a kernel type. A type we do not use keeps its
// name, so that a set that bears it differs from any of ours.
func typesOf(d nftables.SetDatatype) []Type {
	var types []Type
	for name := range strings.SplitSeq(d.Name, " . ") {
		found := Type{datatype: nftables.SetDatatype{Name: name}, text: func(b []byte) string { return fmt.Sprintf("0x%x", b) }}
		for _, t := range []Type{TypeIfname, TypeIPv4, TypeProto, TypeService} {
			if t.datatype.Name == name {
				found = t
			}
		}
		types = append(types, found)
	}
	return types
}

// hookNames are the hooks of the families in use (linux/netfilter.h).
var hookNames = map[nftables.ChainHook]string{
	*nftables.ChainHookPrerouting: "prerouting", *nftables.ChainHookInput: "input",
	*nftables.ChainHookForward: "forward", *nftables.ChainHookOutput: "output", *nftables.ChainHookPostrouting: "postrouting",
}

func hookOf(c *nftables.Chain) *Hook {
	if c.Hooknum == nil || c.Priority == nil {
		return nil
	}
	return &Hook{
		Type: string(c.Type), Hook: hookNames[*c.Hooknum], Priority: int32(*c.Priority),
		Drop: c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop,
	}
}

// decode pairs the two ends of intervals. The kernel lists them in no order
// that can be relied on.
func decode(set Set, elems []nftables.SetElement) Elems {
	all := Elems{}
	if !set.Interval {
		for _, e := range elems {
			all[string(e.Key)] = Elem{Key: string(e.Key), Value: string(e.Val)}
		}
		return all
	}
	for _, e := range elems {
		if e.IntervalEnd {
			continue
		}
		one := Elem{Key: string(e.Key), Value: string(e.Val)}
		for _, end := range elems {
			if key := string(end.Key); end.IntervalEnd && key > one.Key && (one.End == "" || key < one.End) {
				one.End = key
			}
		}
		all[one.Key] = one
	}
	return all
}

// Apply carries out all changes in one transaction, or none.
func (k *Kernel) Apply(ctx context.Context, changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	err := k.commit(changes)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOBUFS) {
		// Either an element to be taken out is gone already, or the kernel's
		// answer was lost and the change may have been made. Look, and do
		// what is left.
		have, observeErr := k.Observe(ctx)
		if observeErr != nil {
			return errors.Join(err, observeErr)
		}
		if changes = remaining(changes, have); len(changes) == 0 {
			return nil
		}
		err = k.commit(changes)
	}
	if err != nil {
		texts := make([]string, len(changes))
		for i, c := range changes {
			texts[i] = c.String()
		}
		return fmt.Errorf("nftables refused the transaction, the old rules stand: %w\n%s", err, strings.Join(texts, "\n"))
	}
	return nil
}

// remaining leaves out the elements to be taken out that are not there.
func remaining(changes []Change, have State) []Change {
	var left []Change
	for _, c := range changes {
		if c.Act == DelElements {
			var there []Elem
			for _, e := range c.Elems {
				if h, ok := have[c.Table.key()].Elements[c.Set.Name][e.Key]; ok && h == e {
					there = append(there, e)
				}
			}
			if c.Elems = there; len(there) == 0 {
				continue
			}
		}
		left = append(left, c)
	}
	return left
}
