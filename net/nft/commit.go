package nft

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/userdata"
)

// commit sends changes as one transaction.
func (k *Kernel) commit(changes []Change) error {
	for _, c := range changes {
		table := &nftables.Table{Family: familyOf(c.Table.Family), Name: c.Table.Name}
		var err error
		switch c.Act {
		case Replace:
			err = k.replace(table, c)
		case Delete:
			k.conn.AddTable(table)
			k.conn.DelTable(table)
		case AddElements:
			err = k.conn.SetAddElements(kernelSet(table, c.Set), encode(c.Set, c.Elems))
		case DelElements:
			err = k.conn.SetDeleteElements(kernelSet(table, c.Set), encode(c.Set.keysOnly(), c.Elems))
		case Forget:
			err = k.forget(table, c)
		}
		if err != nil {
			return err
		}
	}
	return k.conn.Flush()
}

// forget looks again: packets may have put in more since it was observed.
func (k *Kernel) forget(table *nftables.Table, c Change) error {
	set := kernelSet(table, c.Set)
	elems, err := k.conn.GetSetElements(set)
	if err != nil {
		return err
	}
	left := leftOver(c.Set, c.Table.keep[c.Set.Name], decode(c.Set, elems))
	return k.conn.SetDeleteElements(set, encode(c.Set.keysOnly(), left))
}

func (k *Kernel) replace(table *nftables.Table, c Change) error {
	if !c.Old.editable() {
		// Adding what may be there and deleting it, in one transaction, is
		// how nft itself says "whatever there was".
		k.conn.AddTable(table)
		k.conn.DelTable(table)
		return k.create(k.conn.AddTable(table), c)
	}
	k.conn.FlushTable(table) // of rules
	for _, chain := range c.gone() {
		k.conn.DelChain(kernelChain(table, chain))
	}
	for _, s := range c.Old.sets {
		if !s.anonymous && !c.keeps(s) {
			k.conn.DelSet(kernelSet(table, s))
		}
	}
	return k.create(table, c)
}

// create makes the sets and chains that are not there yet, and the rules.
func (k *Kernel) create(table *nftables.Table, c Change) error {
	t := c.Table
	for _, s := range t.sets {
		if c.keeps(s) {
			continue
		}
		if err := k.conn.AddSet(kernelSet(table, s), nil); err != nil {
			return err
		}
		if err := k.conn.SetAddElements(kernelSet(table, s), encode(s, sorted(t.Elements[s.Name]))); err != nil {
			return err
		}
	}
	chains := make([]*nftables.Chain, len(t.chains))
	for i, c := range t.chains {
		chains[i] = k.conn.AddChain(kernelChain(table, c))
	}
	for i, c := range t.chains {
		for _, r := range c.Rules {
			rule := &nftables.Rule{Table: table, Chain: chains[i], UserData: userdata.AppendString(nil, userdata.TypeComment, r.comment())}
			for _, s := range r.Stmts {
				rule.Exprs = append(rule.Exprs, s.exprs...)
			}
			k.conn.AddRule(rule)
		}
	}
	return nil
}

func familyOf(f Family) nftables.TableFamily {
	for kernel, family := range families {
		if family == f {
			return kernel
		}
	}
	return nftables.TableFamilyUnspecified
}

func kernelChain(table *nftables.Table, c Chain) *nftables.Chain {
	chain := &nftables.Chain{Name: c.Name, Table: table}
	if c.Hook == nil {
		return chain
	}
	chain.Device = c.Hook.Device
	for number, name := range hooksOf(families[table.Family]) {
		if name == c.Hook.Hook {
			chain.Hooknum = nftables.ChainHookRef(number)
		}
	}
	policy := nftables.ChainPolicyAccept
	if c.Hook.Drop {
		policy = nftables.ChainPolicyDrop
	}
	chain.Type, chain.Priority, chain.Policy = nftables.ChainType(c.Hook.Type), nftables.ChainPriorityRef(nftables.ChainPriority(c.Hook.Priority)), &policy
	return chain
}

func kernelSet(table *nftables.Table, s Set) *nftables.Set {
	set := &nftables.Set{
		Table: table, Name: s.Name, KeyType: concat(s.Key), Interval: s.Interval, IsMap: len(s.Value) > 0,
		Concatenation: s.concatenated(), Dynamic: s.Dynamic, Size: s.Size, HasTimeout: s.Timeout > 0, Timeout: s.Timeout,
	}
	if set.KeyType.Name == nftables.TypeIFName.Name {
		// Without it nft(8) lists the names as if they were written backwards.
		set.KeyByteOrder = binaryutil.NativeEndian
	}
	if set.IsMap {
		set.DataType = concat(s.Value)
	}
	return set
}

func encode(s Set, elems []Elem) []nftables.SetElement {
	var all []nftables.SetElement
	for _, e := range elems {
		one := nftables.SetElement{Key: []byte(e.Key)}
		if len(s.Value) > 0 {
			one.Val = []byte(e.Value)
		}
		if s.concatenated() {
			one.KeyEnd = []byte(e.End)
			all = append(all, one)
			continue
		}
		all = append(all, one)
		if s.Interval && e.End != "" {
			all = append(all, nftables.SetElement{Key: []byte(e.End), IntervalEnd: true})
		}
	}
	return all
}
