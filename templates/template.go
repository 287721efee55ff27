package templates

import (
	"regexp"

	"ispctl"
)

// Template is the recipe a guest is made from.
type Template struct {
	Name        ispctl.Name `yaml:"name"`
	Description string      `yaml:"description"`
	Image       ispctl.Name `yaml:"image"` // the newest image of that name is taken
	Login       string      `yaml:"login"` // the user that a VM's SSH keys let in; root unless told otherwise

	// Boot is how its image boots, [BootKernel] or [BootDisk]; empty: as the
	// image does. An image that boots otherwise is refused when a VM is made.
	Boot string `yaml:"boot"`
}

// The ways of booting.
const (
	BootKernel = "kernel" // the hypervisor loads a kernel from beside the disk
	BootDisk   = "disk"   // the firmware runs the boot loader on the disk
)

// loginPattern is what Debian's adduser takes (NAME_REGEX), at most 32 bytes.
var loginPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// validate checks the template by itself and sets what may be left out.
func (t *Template) validate() error {
	if _, err := ispctl.ParseName("template", string(t.Name)); err != nil {
		return err
	}
	if _, err := ispctl.ParseName("image", string(t.Image)); err != nil {
		return err
	}
	if t.Login == "" {
		t.Login = "root"
	}
	if !loginPattern.MatchString(t.Login) {
		return ispctl.Invalid("login", t.Login, "is no name of a user")
	}
	if t.Boot != "" && t.Boot != BootKernel && t.Boot != BootDisk {
		return ispctl.Invalid("boot", t.Boot, "is neither %s nor %s", BootKernel, BootDisk)
	}
	return nil
}
