package cli

import (
	"strconv"

	"ispctl/operations"
)

var templateListing = listing[operations.TemplateView]{
	name: func(v operations.TemplateView) string { return string(v.Name) },
	columns: []column[operations.TemplateView]{
		{"NAME", false, func(v operations.TemplateView) string { return string(v.Name) }},
		{"IMAGE", false, func(v operations.TemplateView) string { return string(v.Image) }},
		{"BUILT", false, func(v operations.TemplateView) string { return strconv.FormatBool(v.ImageBuilt) }},
		{"LOGIN", false, func(v operations.TemplateView) string { return v.Login }},
		{"DESCRIPTION", false, func(v operations.TemplateView) string { return v.Description }},
	},
}
