package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"ispctl/operations"
)

var imageDetail = listing[operations.ImageDetailView]{
	name: func(v operations.ImageDetailView) string { return string(v.Name) },
	columns: append(detailOf(imageListing), []column[operations.ImageDetailView]{
		{"BOOT", false, func(v operations.ImageDetailView) string { return v.Boot }},
		{"CMDLINE", false, func(v operations.ImageDetailView) string { return v.Cmdline }},
		{"SOURCE", false, func(v operations.ImageDetailView) string { return v.Source }},
		{"ORIGIN", false, func(v operations.ImageDetailView) string { return v.Origin }},
		{"PATH", false, func(v operations.ImageDetailView) string { return v.Path }},
	}...),
}

// detailOf are the columns of the list, but for what it cuts short.
func detailOf(l listing[operations.ImageView]) []column[operations.ImageDetailView] {
	var columns []column[operations.ImageDetailView]
	for _, c := range l.columns {
		text := c.text
		if c.head == "DIGEST" {
			text = func(v operations.ImageView) string { return v.Digest }
		}
		if c.head == "BOOT" {
			continue
		}
		columns = append(columns, column[operations.ImageDetailView]{c.head, c.wide, func(v operations.ImageDetailView) string { return text(v.ImageView) }})
	}
	return columns
}

func (a *app) imageShow() *cobra.Command {
	return showCommand(a, imageDetail, (*operations.Provider).Image, &cobra.Command{
		Short:   "Show one image: the newest of a name, or that of a digest",
		Example: "  ispctl image show debian-12\n  ispctl image show debian-12 -o json",
		Args:    args(1, "the name or digest of an image"), ValidArgsFunction: first(a.complete(imageNames)),
	})
}

var knownListing = listing[operations.KnownImageView]{
	name: func(v operations.KnownImageView) string { return string(v.Name) },
	columns: []column[operations.KnownImageView]{
		{"NAME", false, func(v operations.KnownImageView) string { return string(v.Name) }},
		{"HOW", false, func(v operations.KnownImageView) string { return "image " + v.How }},
		{"STORE", false, func(v operations.KnownImageView) string { return map[bool]string{true: "yes"}[v.InStore] }},
		{"SIGNER", false, func(v operations.KnownImageView) string { return v.Signer }},
		{"BOOT", true, func(v operations.KnownImageView) string { return v.Boot }},
		{"URL", true, func(v operations.KnownImageView) string { return v.URL }},
		{"SUMS", true, func(v operations.KnownImageView) string { return v.Sums }},
		{"FINGERPRINT", true, func(v operations.KnownImageView) string { return v.Fingerprint }},
		{"DESCRIPTION", true, func(v operations.KnownImageView) string { return strings.TrimSpace(v.Description) }},
	},
}

func (a *app) imageCatalogue() *cobra.Command {
	c := listCommand(a, knownListing, (*operations.Provider).KnownImages, &cobra.Command{
		Short:   "List the images that can be built or pulled by name, and who vouches for them",
		Example: "  ispctl image catalogue\n  ispctl image catalogue -o wide",
	})
	c.Use = "catalogue"
	return c
}
