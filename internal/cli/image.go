package cli

import (
	"time"

	"ispctl/operations"
)

var imageListing = listing[operations.ImageView]{
	name: func(v operations.ImageView) string { return string(v.Name) },
	columns: []column[operations.ImageView]{
		{"NAME", false, func(v operations.ImageView) string { return string(v.Name) }},
		{"DIGEST", false, func(v operations.ImageView) string { return v.Digest[:min(12, len(v.Digest))] }},
		{"SIZE", false, func(v operations.ImageView) string { return size(v.Size) }},
		{"BUILT", false, func(v operations.ImageView) string { return v.Built.Format(time.RFC3339) }},
		{"BOOT", false, func(v operations.ImageView) string { return v.Boot }},
		{"VMS", false, func(v operations.ImageView) string { return join(v.VMs) }},
	},
}
