package nft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
)

// Observe reads our tables.
func (k *Kernel) Observe(context.Context) (State, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, errClosed
	}
	return k.observe()
}

// observe looks again when the rules were changed meanwhile, by whomever: a
// table is read in several questions, and half of one answer beside half of
// the next is a table that never was. One whose transaction is under way as the
// reading begins or ends has been counted already, or is about to be: see
// [dumper.barrier].
func (k *Kernel) observe() (State, error) {
	const tries = 10
	var s State
	for range tries {
		before, err := k.conn.GetGen()
		if err != nil {
			return nil, fmt.Errorf("ask for the generation of the rules: %w", err)
		}
		if err := k.counts.barrier(); err != nil {
			return nil, fmt.Errorf("wait for others who change the rules: %w", err)
		}
		s, err = k.look()
		if err := k.counts.barrier(); err != nil {
			return nil, fmt.Errorf("wait for others who change the rules: %w", err)
		}
		after, errAfter := k.conn.GetGen()
		if errAfter == nil && after.ID != before.ID {
			continue
		}
		return s, err
	}
	return nil, fmt.Errorf("the rules were changed by others each of the %d times they were read", tries)
}

func (k *Kernel) look() (State, error) {
	tables, err := k.conn.ListTables()
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	s := State{}
	for _, kt := range tables {
		family, known := families[kt.Family]
		if !known || kt.Name != k.name && !strings.HasPrefix(kt.Name, Part(k.name, "")) {
			continue
		}
		t, err := k.read(family, kt)
		if _, refused := errors.AsType[*netlink.OpError](err); refused {
			return nil, fmt.Errorf("read table %s %s: %w", family, kt.Name, err)
		}
		if err != nil {
			// Somebody put a thing into our table that the library cannot
			// decode. To fail here would let it stay for ever.
			t = Table{Family: family, Name: kt.Name, Structure: "unreadable: " + err.Error(), Elements: map[string]Elems{}, packed: map[string]Elems{}}
		}
		s[t.key()] = t
	}
	return s, nil
}

// families are those a table of ours could be in.
var families = map[nftables.TableFamily]Family{
	nftables.TableFamilyINet: Inet, nftables.TableFamilyIPv4: IP, nftables.TableFamilyBridge: Bridge,
	nftables.TableFamilyNetdev: NetDev,
}

func (k *Kernel) read(family Family, kt *nftables.Table) (Table, error) {
	t := Table{Family: family, Name: kt.Name, Elements: map[string]Elems{}, packed: map[string]Elems{}}
	var lines []string
	if kt.Flags != 0 {
		// A dormant table (1) has all its rules and lets everything pass. Its
		// chains stand on no hook, so there is nothing to be gentle with.
		lines = append(lines, fmt.Sprintf("flags 0x%x", uint32(kt.Flags)))
	}
	sets, err := k.conn.GetSets(kt)
	if err != nil {
		return t, fmt.Errorf("list sets: %w", err)
	}
	for _, ks := range sets {
		set := setOf(ks)
		t.sets = append(t.sets, set)
		t.Elements[set.Name] = Elems{}
		lines = append(lines, set.schema())
		elems, err := k.conn.GetSetElements(ks)
		if err != nil {
			return t, fmt.Errorf("list elements of %s: %w", ks.Name, err)
		}
		if set.Dynamic {
			t.packed[set.Name] = decode(set, elems)
			continue
		}
		t.Elements[set.Name] = decode(set, elems)
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
		chain := Chain{Name: kc.Name, Hook: hookOf(family, kc)}
		lines = append(lines, chain.structure(comments))
		if kt.Flags == 0 {
			t.chains = append(t.chains, chain)
		}
	}
	t.Structure = canonical(lines)
	return t, nil
}

func setOf(ks *nftables.Set) Set {
	set := Set{
		Name: ks.Name, Key: typesOf(ks.KeyType), Interval: ks.Interval,
		Dynamic: ks.Dynamic, Size: ks.Size, Timeout: ks.Timeout, anonymous: ks.Anonymous,
	}
	if ks.IsMap {
		set.Value = typesOf(ks.DataType)
	}
	return set
}

// typesOf names the fields of a kernel type. A type we do not use keeps its
// name, so that a set that bears it differs from any of ours.
func typesOf(d nftables.SetDatatype) []Type {
	var all []Type
	for name := range strings.SplitSeq(d.Name, " . ") {
		found := Type{datatype: nftables.SetDatatype{Name: name}, text: hexText}
		for _, t := range types {
			if t.datatype.Name == name {
				found = t
			}
		}
		all = append(all, found)
	}
	return all
}

// hookNames are the hooks of the families in use (linux/netfilter.h,
// linux/netfilter_bridge.h).
var hookNames = map[nftables.ChainHook]string{
	*nftables.ChainHookPrerouting: "prerouting", *nftables.ChainHookInput: "input",
	*nftables.ChainHookForward: "forward", *nftables.ChainHookOutput: "output", *nftables.ChainHookPostrouting: "postrouting",
}

// deviceHooks are those of family netdev.
var deviceHooks = map[nftables.ChainHook]string{*nftables.ChainHookIngress: "ingress", *nftables.ChainHookEgress: "egress"}

func hooksOf(f Family) map[nftables.ChainHook]string {
	if f == NetDev {
		return deviceHooks
	}
	return hookNames
}

func hookOf(family Family, c *nftables.Chain) *Hook {
	if c.Hooknum == nil || c.Priority == nil {
		return nil
	}
	return &Hook{
		Type: string(c.Type), Hook: hooksOf(family)[*c.Hooknum], Priority: int32(*c.Priority),
		Drop: c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop,
	}
}

// decode pairs the two ends of intervals. The kernel lists them in no order
// that can be relied on, and where one interval begins as another ends the same
// key is there twice.
func decode(set Set, elems []nftables.SetElement) Elems {
	all := make(Elems, len(elems))
	var ends []string
	for _, e := range elems {
		if e.IntervalEnd {
			ends = append(ends, string(e.Key))
			continue
		}
		one := Elem{Key: string(e.Key), Value: string(e.Val)}
		if set.concatenated() {
			one.End = string(e.KeyEnd)
		}
		all[string(e.Key)] = one
	}
	if !set.Interval || set.concatenated() {
		return all
	}
	slices.Sort(ends)
	for key, one := range all {
		next, exact := slices.BinarySearch(ends, key)
		if exact {
			next++
		}
		if next < len(ends) {
			one.End = ends[next]
			all[key] = one
		}
	}
	return all
}
