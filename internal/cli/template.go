package cli

import (
	"strconv"
	"strings"

	"ispctl/operations"
)

var templateListing = listing[operations.TemplateView]{
	name: func(v operations.TemplateView) string { return string(v.Name) },
	columns: []column[operations.TemplateView]{
		{"NAME", false, func(v operations.TemplateView) string { return string(v.Name) }},
		{"IMAGE", false, func(v operations.TemplateView) string { return string(v.Image) }},
		{"BUILT", false, func(v operations.TemplateView) string { return strconv.FormatBool(v.ImageBuilt) }},
		{"LOGIN", false, func(v operations.TemplateView) string { return v.Login }},
		{"FROM", true, func(v operations.TemplateView) string { return string(v.From) }},
		{"PLAN", true, func(v operations.TemplateView) string { return string(v.Plan) }},
		{"DESCRIPTION", false, func(v operations.TemplateView) string { return v.Description }},
	},
}

// templateDetail has what a line of a list has no room for.
var templateDetail = listing[operations.TemplateView]{
	name: templateListing.name,
	columns: append(templateListing.columns[:len(templateListing.columns):len(templateListing.columns)], []column[operations.TemplateView]{
		{"BOOT", false, func(v operations.TemplateView) string { return v.Boot }},
		{"SETUP", false, func(v operations.TemplateView) string { return v.Setup }},
		{"CONSOLE", false, func(v operations.TemplateView) string { return v.Console }},
		{"PACKAGES", false, func(v operations.TemplateView) string { return strings.Join(v.Packages, " ") }},
		{"USERS", false, func(v operations.TemplateView) string { return strings.Join(v.Users, " ") }},
		{"FILES", false, func(v operations.TemplateView) string { return strings.Join(v.Files, " ") }},
		{"STEPS", false, func(v operations.TemplateView) string { return strings.Join(v.Steps, " ") }},
		{"SERVICES", false, func(v operations.TemplateView) string { return strings.Join(v.Services, " ") }},
	}...),
}
