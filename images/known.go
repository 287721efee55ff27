package images

import (
	"fmt"
	"slices"
	"strconv"

	"ispctl"
)

// Known is an image that others publish: where it is, and by whom it is vouched
// for.
type Known struct {
	Name        ispctl.Name
	Description string
	URL         string

	// Sums is a list of checksums that has the file, at the same publisher.
	// SumsSignature, if there is one, is the detached OpenPGP signature of the
	// list, by the key of that fingerprint; the key itself is got from Key,
	// which need not be trusted.
	Sums          string
	SumsSignature string
	Signer        string
	Fingerprint   string
	Key           string
}

const (
	debianCloud = "https://cloud.debian.org/images/cloud/"
	ubuntuCloud = "https://cloud-images.ubuntu.com/releases/"
	alpineCloud = "https://dl-cdn.alpinelinux.org/alpine/"

	ubuntuSigner      = "UEC Image Automatic Signing Key <cdimage@ubuntu.com>"
	ubuntuFingerprint = "D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81"
	ubuntuKey         = "https://keyserver.ubuntu.com/pks/lookup?op=get&options=mr&search=0x" + ubuntuFingerprint
)

// knownImages are the images that `image pull NAME` gets, sorted by name; all of
// them boot by their disk, by BIOS, and take the seed by cloud-init. They are data
// that age: a release that a publisher has moved is got by URL until the next
// ispctl.
var knownImages = []Known{
	{
		Name: "alpine-3-23", Description: "Alpine Linux 3.23 with cloud-init: small, musl and OpenRC; Alpine's server vouches for the checksum, by TLS alone",
		URL:  alpineCloud + "v3.23/releases/cloud/nocloud_alpine-3.23.4-x86_64-bios-cloudinit-r0.qcow2",
		Sums: alpineCloud + "v3.23/releases/cloud/nocloud_alpine-3.23.4-x86_64-bios-cloudinit-r0.qcow2.sha512",
	},
	{
		Name: "debian-12-cloud", Description: "Debian 12 (bookworm), Debian's own cloud image; Debian signs no checksums of these: its server vouches for them, by TLS alone",
		URL:  debianCloud + "bookworm/latest/debian-12-genericcloud-amd64.qcow2",
		Sums: debianCloud + "bookworm/latest/SHA512SUMS",
	},
	{
		Name: "debian-13-cloud", Description: "Debian 13 (trixie), Debian's own cloud image; Debian signs no checksums of these: its server vouches for them, by TLS alone",
		URL:  debianCloud + "trixie/latest/debian-13-genericcloud-amd64.qcow2",
		Sums: debianCloud + "trixie/latest/SHA512SUMS",
	},
	ubuntu("ubuntu-22-04", "Ubuntu 22.04 LTS (Jammy Jellyfish), Canonical's cloud image, its checksums signed", "jammy", "22.04"),
	ubuntu("ubuntu-24-04", "Ubuntu 24.04 LTS (Noble Numbat), Canonical's cloud image, its checksums signed", "noble", "24.04"),
	ubuntu("ubuntu-26-04", "Ubuntu 26.04 LTS (Resolute Raccoon), Canonical's cloud image, its checksums signed", "resolute", "26.04"),
}

func ubuntu(name ispctl.Name, description, codename, release string) Known {
	at := ubuntuCloud + codename + "/release/"
	return Known{
		Name: name, Description: description, URL: at + "ubuntu-" + release + "-server-cloudimg-amd64.img",
		Sums: at + "SHA256SUMS", SumsSignature: at + "SHA256SUMS.gpg",
		Signer: ubuntuSigner, Fingerprint: ubuntuFingerprint, Key: ubuntuKey,
	}
}

// KnownImages are the images that can be pulled by name, sorted.
func KnownImages() []Known { return slices.Clone(knownImages) }

// FindKnown finds an image that can be pulled by name; the error lists those.
func FindKnown(name string) (Known, error) {
	var have []ispctl.Name
	for _, k := range knownImages {
		if string(k.Name) == name {
			return k, nil
		}
		have = append(have, k.Name)
	}
	return Known{}, &ispctl.Error{
		Kind: ispctl.NotFound, Object: "image " + strconv.Quote(name), Cause: fmt.Sprintf("not found in the catalogue (have: %s)", joined(have)),
		Next: "see: ispctl image catalogue (or give a URL, with --name and --sha256)",
	}
}

func joined(names []ispctl.Name) string {
	text := ""
	for i, n := range names {
		if i > 0 {
			text += ", "
		}
		text += string(n)
	}
	return text
}
