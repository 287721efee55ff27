package nft

import (
	"fmt"

	"github.com/google/nftables/expr"
)

// dynsetAdd is NFT_DYNSET_OP_ADD: add the element, or leave the one that is
// there with its timeout.
const dynsetAdd = 0

// MoreConnections matches when the operands' element of a dynamic set has more
// connections than that, this one included: the kernel keeps a list of those it
// has tracked for each element, and drops what has ended from it. When the set
// is full the rule matches nothing.
func MoreConnections(set string, most uint32, operands ...Operand) Stmt {
	text, exprs := load(operands)
	return Stmt{fmt.Sprintf("add @%s { %s ct count over %d }", set, text, most), append(exprs, &expr.Dynset{
		SrcRegKey: reg32At, SetName: set, Operation: dynsetAdd,
		Exprs: []expr.Any{&expr.Connlimit{Count: most, Flags: expr.NFT_CONNLIMIT_F_INV}},
	})}
}

// Faster matches when packets meet the operands' element of a dynamic set more
// often than that in a second, for longer than a burst.
func Faster(set string, perSecond uint64, burst uint32, operands ...Operand) Stmt {
	text, exprs := load(operands)
	return Stmt{fmt.Sprintf("update @%s { %s limit rate over %d/second burst %d packets }", set, text, perSecond, burst), append(exprs, &expr.Dynset{
		SrcRegKey: reg32At, SetName: set, Operation: dynsetUpdate,
		Exprs: []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: perSecond, Unit: expr.LimitTimeSecond, Burst: burst, Over: true}},
	})}
}

// FasterBytes is [Faster] for bytes, as IP counts them.
func FasterBytes(set string, perSecond uint64, burst uint32, operands ...Operand) Stmt {
	text, exprs := load(operands)
	return Stmt{fmt.Sprintf("update @%s { %s limit rate over %d bytes/second burst %d bytes }", set, text, perSecond, burst), append(exprs, &expr.Dynset{
		SrcRegKey: reg32At, SetName: set, Operation: dynsetUpdate,
		Exprs: []expr.Any{&expr.Limit{Type: expr.LimitTypePktBytes, Rate: perSecond, Unit: expr.LimitTimeSecond, Burst: burst, Over: true}},
	})}
}
