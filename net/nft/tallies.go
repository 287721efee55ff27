package nft

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// Tally is what a counter has counted.
type Tally struct{ Packets, Bytes uint64 }

// Counted is an element of a dynamic set, and what it counted.
type Counted struct {
	Key string
	Tally
}

// errCut says that something ends before it should, or says that it does.
var errCut = errors.New("a message of netlink is cut off")

// Attributes that x/sys lacks (linux/netfilter/nf_tables.h).
const nftaSetElemExpressions = 0xb // NFTA_SET_ELEM_EXPRESSIONS

// tallier takes counters out of messages, each byte of which it looks at once:
// there are tens of thousands of counters, every few seconds, and nearly all of
// the time would go into looking for one attribute after the other.
type tallier struct {
	keys []byte // of one message, one after the other
	ends []int  // where each of them ends
}

// take appends what an NFT_MSG_NEWSETELEM says; body is what follows its header
// of netlink.
func (t *tallier) take(body []byte, into []Counted) ([]Counted, error) {
	if len(body) < sizeofNfgenmsg {
		return into, errCut
	}
	t.keys, t.ends = t.keys[:0], t.ends[:0]
	first := len(into)
	for attrs := body[sizeofNfgenmsg:]; len(attrs) > 0; {
		kind, list, rest, ok := cutAttr(attrs)
		if !ok {
			return into[:first], errCut
		}
		attrs = rest
		if kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		for len(list) > 0 {
			_, elem, rest, ok := cutAttr(list)
			if !ok {
				return into[:first], errCut
			}
			list = rest
			key, tally, counts, ok := element(elem)
			if !ok {
				return into[:first], errCut
			}
			if counts {
				t.keys = append(t.keys, key...)
				t.ends = append(t.ends, len(t.keys))
				into = append(into, Counted{Tally: tally})
			}
		}
	}
	// One string for all of them: they are short, and there are many.
	keys, begin := string(t.keys), 0
	for i, end := range t.ends {
		into[first+i].Key, begin = keys[begin:end], end
	}
	return into, nil
}

// sizeofNfgenmsg is the size of struct nfgenmsg (linux/netfilter/nfnetlink.h).
const sizeofNfgenmsg = 4

// element takes one element apart; counts is whether it has a key and a
// counter.
func element(attrs []byte) (key []byte, tally Tally, counts, ok bool) {
	counted := false
	for len(attrs) > 0 {
		kind, payload, rest, ok := cutAttr(attrs)
		if !ok {
			return nil, tally, false, false
		}
		attrs = rest
		switch kind {
		case unix.NFTA_SET_ELEM_KEY:
			for len(payload) > 0 {
				kind, value, rest, ok := cutAttr(payload)
				if !ok {
					return nil, tally, false, false
				}
				payload = rest
				if kind == unix.NFTA_DATA_VALUE {
					key = value
				}
			}
		case unix.NFTA_SET_ELEM_EXPR:
			if ok := expression(payload, &tally, &counted); !ok {
				return nil, tally, false, false
			}
		case nftaSetElemExpressions: // with more than one the kernel lists them
			for len(payload) > 0 {
				_, one, rest, ok := cutAttr(payload)
				if !ok || !expression(one, &tally, &counted) {
					return nil, tally, false, false
				}
				payload = rest
			}
		}
	}
	return key, tally, counted && key != nil, true
}

// expression takes the counts out of an expression if it is a counter.
func expression(attrs []byte, tally *Tally, counted *bool) (ok bool) {
	isCounter := false
	for len(attrs) > 0 {
		kind, payload, rest, ok := cutAttr(attrs)
		if !ok {
			return false
		}
		attrs = rest
		switch {
		case kind == unix.NFTA_EXPR_NAME:
			isCounter = string(payload) == "counter\x00"
		case kind == unix.NFTA_EXPR_DATA && isCounter:
			*tally, *counted = Tally{}, true
			for len(payload) > 0 {
				kind, n, rest, ok := cutAttr(payload)
				if !ok {
					return false
				}
				payload = rest
				switch {
				case kind != unix.NFTA_COUNTER_BYTES && kind != unix.NFTA_COUNTER_PACKETS:
				case len(n) != 8:
					return false
				case kind == unix.NFTA_COUNTER_BYTES:
					tally.Bytes = binary.BigEndian.Uint64(n)
				default:
					tally.Packets = binary.BigEndian.Uint64(n)
				}
			}
		}
	}
	return true
}

// cutAttr takes the first attribute off the front; one that says it is longer
// than what is there, or shorter than its own header, is none.
func cutAttr(attrs []byte) (kind uint16, payload, rest []byte, ok bool) {
	if len(attrs) < unix.SizeofNlAttr {
		return 0, nil, nil, false
	}
	size := int(binary.NativeEndian.Uint16(attrs))
	if size < unix.SizeofNlAttr || size > len(attrs) {
		return 0, nil, nil, false
	}
	const flags = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
	return binary.NativeEndian.Uint16(attrs[2:]) &^ flags, attrs[unix.SizeofNlAttr:size], attrs[min(len(attrs), align4(size)):], true
}

func align4(n int) int { return (n + 3) &^ 3 }
