package images

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"

	"ispctl"
)

// recipeFiles are the scripts and configuration that recipes bring: what the
// guest is given under NAME/root, and NAME/build.sh, which puts it together.
//
//go:embed all:recipes
var recipeFiles embed.FS

// Recipe says how an image is built out of Debian packages.
type Recipe struct {
	Name        ispctl.Name
	Description string
	Suite       string   // of the Debian archive
	Packages    []string // of the guest, with what they depend on

	// Install runs the packages' own scripts in the guest's root, so that
	// apt can go on with it. Otherwise they are only unpacked, and the
	// recipe's build.sh takes from them what it needs.
	Install bool

	Size    ispctl.Size // of the file system; it grows to the disk at boot
	Cmdline string      // of the kernel
}

// The command lines. The root file system is mounted by the initial RAM disk,
// read-write, so that no file system check waits for a disk that the journal
// has mended. An interface is eth0, eth1, ... in the order of the PCI slots.
const (
	commonCmdline  = "root=/dev/vda rw console=ttyS0,115200 net.ifnames=0"
	debianCmdline  = commonCmdline + " quiet systemd.show_status=false"
	microCmdline   = commonCmdline + " quiet"
	kernelPackage  = "linux-image-cloud-amd64"
	busyboxPackage = "busybox-static"
)

// Catalogue is the recipes that come with ispctl, sorted by name.
func Catalogue() []Recipe {
	return []Recipe{
		{
			Name:        "debian-12",
			Description: "Debian 12 (bookworm) with systemd, cloud-init and OpenSSH",
			Suite:       "bookworm",
			Packages: []string{
				"ca-certificates", "cloud-init", "dbus", "iproute2", "iputils-ping", "kmod", "less", "netcat-openbsd",
				"openssh-server", "procps", "systemd-resolved", "systemd-sysv", "udev",
			},
			Install: true,
			Size:    ispctl.GiB,
			Cmdline: debianCmdline,
		},
		{
			Name:        "micro",
			Description: "Debian kernel with busybox and dropbear; boots in seconds",
			Suite:       "bookworm",
			Packages:    []string{"dropbear-bin", "e2fsprogs"},
			Size:        ispctl.MinDisk,
			Cmdline:     microCmdline,
		},
	}
}

// FindRecipe finds a recipe of the catalogue; the error lists those there are.
func FindRecipe(name string) (Recipe, error) {
	var have []ispctl.Name
	for _, r := range Catalogue() {
		if string(r.Name) == name {
			return r, nil
		}
		have = append(have, r.Name)
	}
	return Recipe{}, ispctl.NotFoundError("image", name, have)
}

// hash covers all that a build depends on but the packages themselves: the
// recipe, every file it brings, and where the packages come from.
func (r Recipe) hash(sources []string) (string, error) {
	h := sha256.New()
	e := json.NewEncoder(h)
	if err := e.Encode(r); err != nil {
		return "", err
	}
	if err := e.Encode(append([]string{kernelPackage, busyboxPackage}, sources...)); err != nil {
		return "", err
	}
	for _, dir := range []string{string(r.Name), "initramfs"} {
		err := fs.WalkDir(recipeFiles, path.Join("recipes", dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := recipeFiles.ReadFile(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(h, "%s %d\n%s", name, len(data), data)
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
