package cli

import "ispctl/operations"

var forwardListing = listing[operations.ForwardView]{
	name: func(v operations.ForwardView) string { return v.Listen },
	columns: []column[operations.ForwardView]{
		{"LISTEN", false, func(v operations.ForwardView) string { return v.Listen }},
		{"TO", false, func(v operations.ForwardView) string { return v.To }},
		{"TARGET", false, func(v operations.ForwardView) string { return v.Target }},
	},
}
