package templates

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	"ispctl"
)

// Template is the recipe a guest is made from.
type Template struct {
	Name        ispctl.Name `yaml:"name"`
	Description string      `yaml:"description,omitempty"`
	From        ispctl.Name `yaml:"from,omitempty"`  // the template whose recipe it goes on with; see [Template.over]
	Image       ispctl.Name `yaml:"image,omitempty"` // the newest image of that name is taken
	Plan        ispctl.Name `yaml:"plan,omitempty"`  // of a VM that names none
	Login       string      `yaml:"login,omitempty"` // the user that a VM's SSH keys let in; root unless told otherwise

	// Boot is how its image boots, [BootKernel] or [BootDisk]; empty: as the
	// image does. An image that boots otherwise is refused when a VM is made.
	Boot string `yaml:"boot,omitempty"`

	// Setup is who in the guest reads the seed: [SetupCloudInit], unless told
	// otherwise, or [SetupPlain].
	Setup string `yaml:"setup,omitempty"`

	// Console is whether the guest asks for a login on its serial port:
	// [ConsoleLogin], unless told otherwise, or [ConsoleNone].
	Console string `yaml:"console,omitempty"`

	Packages []string `yaml:"packages,omitempty"` // that are installed at the first boot
	Users    []User   `yaml:"users,omitempty"`    // beside the one of login
	Files    []File   `yaml:"files,omitempty"`    // that are written at the first boot
	Steps    []Step   `yaml:"steps,omitempty"`    // that are run once, after packages and files

	// Services are what guests listen on. They are told, not opened: who may
	// reach a guest is for policies and forwards to say, so that a file of a
	// template cannot open a wall.
	Services []string `yaml:"services,omitempty"`
}

// User is somebody who may log in, by key alone.
type User struct {
	Name   string   `yaml:"name"`
	Keys   []string `yaml:"keys,omitempty"`
	Groups []string `yaml:"groups,omitempty"`
	Sudo   bool     `yaml:"sudo,omitempty"` // becomes root without a password
	Shell  string   `yaml:"shell,omitempty"`
}

// File is a file in the guest.
type File struct {
	Path    string `yaml:"path,omitempty"`
	Mode    string `yaml:"mode,omitempty"`  // in octal; 0644 unless told otherwise
	Owner   string `yaml:"owner,omitempty"` // USER:GROUP; root:root unless told otherwise
	Content string `yaml:"content,omitempty"`
}

// Step is a command, as its arguments, or a script that is a file of its own.
// There is no line for a shell to take apart.
type Step struct {
	Run    []string `yaml:"run,omitempty"`
	Script string   `yaml:"script,omitempty"`
}

// The ways of booting.
const (
	BootKernel = "kernel" // the hypervisor loads a kernel from beside the disk
	BootDisk   = "disk"   // the firmware runs the boot loader on the disk
)

// Who reads the seed.
const (
	SetupCloudInit = "cloud-init"
	SetupPlain     = "plain" // what is under ispctl/, as the image micro does: files and steps, and no more
)

// What is on the serial port.
const (
	ConsoleLogin = "login"
	ConsoleNone  = "none" // what the guest writes, and no way in
)

// The bounds. All of a seed is read whole, in the guest too, and what is larger
// belongs in an image. A step's arguments reach it through xargs(1), which makes
// two commands of what is too long for one.
const (
	maxEntries = 256
	maxContent = 256 << 10
	maxStep    = 8 << 10
)

var (
	// loginPattern is what Debian's adduser takes (NAME_REGEX), at most 32 bytes.
	loginPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	// packagePattern is Debian policy 5.6.1: nothing apt(8) takes for an option.
	packagePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	modePattern    = regexp.MustCompile(`^0?[0-7]{3}$`) // no set-user-ID, no sticky
)

// over is the template on top of the one it comes from: what it does not say is
// as there; what it lists comes after what is listed there. A user or file of
// the same name or path takes the place of the other. Name and description are
// nobody's but its own.
func (t Template) over(base Template) Template {
	t.Image, t.Plan, t.Login = cmp.Or(t.Image, base.Image), cmp.Or(t.Plan, base.Plan), cmp.Or(t.Login, base.Login)
	t.Boot, t.Setup, t.Console = cmp.Or(t.Boot, base.Boot), cmp.Or(t.Setup, base.Setup), cmp.Or(t.Console, base.Console)
	t.Packages = merge(base.Packages, t.Packages, func(s string) string { return s })
	t.Users = merge(base.Users, t.Users, func(u User) string { return u.Name })
	t.Files = merge(base.Files, t.Files, func(f File) string { return f.Path })
	t.Services = merge(base.Services, t.Services, func(s string) string { return s })
	t.Steps = slices.Concat(base.Steps, t.Steps)
	return t
}

// merge lists one after the other; what has a key that is there already takes
// its place.
func merge[T any](base, own []T, key func(T) string) []T {
	all := slices.Clone(base)
	for _, o := range own {
		if i := slices.IndexFunc(all, func(b T) bool { return key(b) == key(o) }); i >= 0 {
			all[i] = o
		} else {
			all = append(all, o)
		}
	}
	return all
}

// complete checks the template with all that it comes from, and sets what may be
// left out.
func (t *Template) complete() error {
	t.Login, t.Setup, t.Console = cmp.Or(t.Login, "root"), cmp.Or(t.Setup, SetupCloudInit), cmp.Or(t.Console, ConsoleLogin)
	if _, err := ispctl.ParseName("template", string(t.Name)); err != nil {
		return err
	}
	if _, err := ispctl.ParseName("image", string(t.Image)); err != nil {
		return err
	}
	if t.Plan != "" {
		if _, err := ispctl.ParseName("plan", string(t.Plan)); err != nil {
			return err
		}
	}
	if !loginPattern.MatchString(t.Login) {
		return ispctl.Invalid("login", t.Login, "is no name of a user")
	}
	for _, one := range []struct {
		key, value string
		known      []string
	}{
		{"boot", t.Boot, []string{"", BootKernel, BootDisk}},
		{"setup", t.Setup, []string{SetupCloudInit, SetupPlain}},
		{"console", t.Console, []string{ConsoleLogin, ConsoleNone}},
	} {
		if !slices.Contains(one.known, one.value) {
			return ispctl.Invalid(one.key, one.value, "is none of %s", strings.Join(slices.DeleteFunc(one.known, func(s string) bool { return s == "" }), ", "))
		}
	}
	if t.Setup == SetupPlain && len(t.Packages)+len(t.Users) > 0 {
		return ispctl.Invalid("setup", SetupPlain, "takes files and steps; packages and users take %s", SetupCloudInit)
	}
	if t.Setup == SetupPlain && (t.Console == ConsoleNone || t.Login != "root") {
		return ispctl.Invalid("setup", SetupPlain, "has root to log in, on the console too; otherwise it takes %s", SetupCloudInit)
	}
	if len(t.Packages)+len(t.Users)+len(t.Files)+len(t.Steps)+len(t.Services) > maxEntries {
		return ispctl.Invalid("template", string(t.Name), "lists more than %d packages, users, files, steps and services", maxEntries)
	}
	for _, p := range t.Packages {
		if !packagePattern.MatchString(p) {
			return ispctl.Invalid("package", p, "is no name of a Debian package")
		}
	}
	for i, s := range t.Services {
		service, err := ispctl.ParseService(s)
		if err != nil {
			return err
		}
		t.Services[i] = service.String()
	}
	return t.completeEntries()
}

// completeEntries is for what has parts of its own.
func (t *Template) completeEntries() error {
	t.Users, t.Files, t.Steps = slices.Clone(t.Users), slices.Clone(t.Files), slices.Clone(t.Steps)
	for i := range t.Users {
		if err := t.Users[i].complete(t.Login); err != nil {
			return err
		}
	}
	size := 0
	for i := range t.Files {
		if err := t.Files[i].complete(); err != nil {
			return err
		}
		size += len(t.Files[i].Content)
	}
	for _, s := range t.Steps {
		if err := s.check(); err != nil {
			return err
		}
		size += len(s.Script)
	}
	if size > maxContent {
		return ispctl.Invalid("template", string(t.Name), "has %d bytes of files and scripts, which is more than %d; put them into an image", size, maxContent)
	}
	return nil
}

func (u *User) complete(login string) error {
	u.Shell = cmp.Or(u.Shell, "/bin/bash")
	switch {
	case !loginPattern.MatchString(u.Name):
		return ispctl.Invalid("user", u.Name, "is no name of a user")
	case u.Name == login, u.Name == "root":
		return ispctl.Invalid("user", u.Name, "is there already: the keys of root, or of the template's login, are those of the VM")
	case !absolute(u.Shell):
		return ispctl.Invalid("user", u.Name, "has a shell %q that is no plain absolute path", u.Shell)
	}
	for _, g := range u.Groups {
		if !loginPattern.MatchString(g) {
			return ispctl.Invalid("group", g, "is no name of a group")
		}
	}
	u.Keys = slices.Clone(u.Keys)
	for i, k := range u.Keys {
		key, err := ispctl.ParseSSHKey(k)
		if err != nil {
			return err
		}
		u.Keys[i] = key
	}
	return nil
}

func (f *File) complete() error {
	f.Mode, f.Owner = cmp.Or(f.Mode, "0644"), cmp.Or(f.Owner, "root:root")
	user, group, _ := strings.Cut(f.Owner, ":")
	switch {
	case !absolute(f.Path):
		return ispctl.Invalid("file", f.Path, "is no plain absolute path of a file")
	case !modePattern.MatchString(f.Mode):
		return ispctl.Invalid("file", f.Path, "has a mode %q that is not 0000 to 0777", f.Mode)
	case !loginPattern.MatchString(user), !loginPattern.MatchString(group):
		return ispctl.Invalid("file", f.Path, "has an owner %q that is not USER:GROUP", f.Owner)
	}
	if len(f.Mode) == 3 {
		f.Mode = "0" + f.Mode
	}
	return nil
}

func (s Step) check() error {
	if (len(s.Run) > 0) == (s.Script != "") {
		return ispctl.Invalid("step", strings.Join(s.Run, " "), "is to be either a list of arguments (run) or a script")
	}
	if s.Script != "" {
		if !strings.HasPrefix(s.Script, "#!/") || strings.ContainsRune(s.Script, 0) {
			return ispctl.Invalid("script", strings.SplitN(s.Script, "\n", 2)[0], "does not begin with #!/, or holds a zero")
		}
		return nil
	}
	size := 0
	for _, a := range s.Run {
		if strings.ContainsRune(a, 0) {
			return ispctl.Invalid("step", s.Run[0], "has an argument with a zero in it")
		}
		size += len(a) + 1
	}
	if size > maxStep || s.Run[0] == "" {
		return ispctl.Invalid("step", s.Run[0], "has no command, or more than %d bytes of arguments; make it a script", maxStep)
	}
	return nil
}

// absolute reports whether a path leads from the root straight down to
// something, in printable characters.
func absolute(p string) bool {
	return len(p) > 1 && len(p) <= 1024 && p[0] == '/' && path.Clean(p) == p && !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd })
}
