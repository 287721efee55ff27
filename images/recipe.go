package images

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"

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

	// Files is the directory of its files, if not called as the recipe.
	Files string `json:",omitempty"`

	// As is what the image is called, if not as the recipe.
	As ispctl.Name `json:",omitempty"`

	// Xen gives the initial RAM disk the drivers of guests on Xen.
	Xen bool `json:",omitempty"`

	// Modules of the kernel are loaded by the initial RAM disk besides those
	// that every image needs: for guests without udev.
	Modules []string `json:",omitempty"`

	Size    ispctl.Size // of the file system; it grows to the disk at boot
	Cmdline string      // of the kernel
}

// The command lines. The root file system is mounted by the initial RAM disk,
// read-write, so that no file system check waits for a disk that the journal
// has mended. An interface is eth0, eth1, ... in the order of the PCI slots.
//
// Where processors are emulated and many boot at once, the kernel's trial of the
// timer (check_timer) finds it late, and panics: one in five of 50 guests on two
// cores did. Under KVM it leaves the trial out by itself. A guest that panics all the
// same is started again.
const (
	commonCmdline  = "root=/dev/vda rw console=ttyS0,115200 net.ifnames=0 no_timer_check panic=10"
	debianCmdline  = commonCmdline + " quiet systemd.show_status=false"
	microCmdline   = commonCmdline + " quiet"
	kernelPackage  = "linux-image-cloud-amd64"
	busyboxPackage = "busybox-static"
)

// debianPackages are those of an installed Debian: what a server has that is
// reached by SSH, and nothing for hardware.
var debianPackages = []string{
	"ca-certificates", "cloud-init", "dbus", "iproute2", "iputils-ping", "kmod", "less", "netcat-openbsd",
	"openssh-server", "procps", "qemu-guest-agent", "systemd-resolved", "systemd-sysv", "udev",
}

// files is the directory of what the recipe brings.
func (r Recipe) files() string { return cmp.Or(r.Files, string(r.Name)) }

// Catalogue is the recipes that come with ispctl, sorted by name.
func Catalogue() []Recipe {
	return []Recipe{
		{
			Name:        "debian-12",
			Description: "Debian 12 (bookworm) with systemd, cloud-init and OpenSSH",
			Suite:       "bookworm",
			Packages:    debianPackages,
			Install:     true,
			Size:        ispctl.GiB,
			Cmdline:     debianCmdline,
		},
		{
			Name:        "debian-13",
			Description: "Debian 13 (trixie) with systemd, cloud-init and OpenSSH",
			Suite:       "trixie",
			Packages:    debianPackages,
			Install:     true,
			Files:       "debian-12",
			Size:        2 * ispctl.GiB,
			Cmdline:     debianCmdline,
		},
		{
			Name:        "micro",
			Description: "Debian kernel with busybox and dropbear; boots in seconds",
			Suite:       "bookworm",
			Packages:    []string{"dropbear-bin", "e2fsprogs"},
			Modules:     []string{"virtio_balloon"}, // memory that the host takes back
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

// The names of releases and packages, as Debian policy (5.6.1) has them: nothing
// that apt(8) or mmdebstrap(1) would take for an option, a pattern or a version.
var (
	suitePattern   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	packagePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
)

// with is the recipe as the options change it.
func (r Recipe) with(o BuildOptions) (Recipe, error) {
	if o.Name != r.Name {
		r.As = o.Name
	}
	r.Xen = r.Xen || o.Xen
	if o.Release != "" {
		if !suitePattern.MatchString(o.Release) {
			return r, ispctl.Invalid("release", o.Release, "is no code name of a Debian release")
		}
		if !r.Install && o.Release != r.Suite {
			return r, ispctl.Invalid("image", string(r.Name), "is put together from %s, and no other release", r.Suite)
		}
		r.Suite = o.Release
	}
	if len(o.Packages) > 0 && !r.Install {
		return r, ispctl.Invalid("image", string(r.Name), "takes no more packages: it is no installed Debian")
	}
	r.Packages = slices.Clone(r.Packages)
	for _, p := range o.Packages {
		if !packagePattern.MatchString(p) {
			return r, ispctl.Invalid("package", p, "is no name of a Debian package")
		}
		if !slices.Contains(r.Packages, p) {
			r.Packages = append(r.Packages, p)
		}
	}
	return r, nil
}

// hash covers all that a build depends on but the packages themselves: the
// recipe, every file it brings, and where the packages come from.
func (r Recipe) hash(sources []string) (string, error) {
	h := sha256.New()
	e := json.NewEncoder(h)
	if err := e.Encode(r); err != nil {
		return "", err
	}
	// What every image's initial RAM disk is made of, besides its files.
	if err := e.Encode([][]string{modules[:], xenModules[:], applets[:]}); err != nil {
		return "", err
	}
	if err := e.Encode(append([]string{kernelPackage, busyboxPackage}, sources...)); err != nil {
		return "", err
	}
	for _, dir := range []string{r.files(), "initramfs"} {
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
