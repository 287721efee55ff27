package ispctl

import "path/filepath"

// Paths says where an installation keeps its files. Root moves all of them.
type Paths struct{ Root string }

func (p Paths) at(elem ...string) string {
	root := p.Root
	if root == "" {
		root = "/"
	}
	return filepath.Join(append([]string{root}, elem...)...)
}

// Config is the file that `ispctl init` writes.
func (p Paths) Config() string { return p.at("etc/ispctl/config.yaml") }

// Templates is where the operator's own templates are.
func (p Paths) Templates() string { return p.at("etc/ispctl/templates") }

// Database holds intent, status and journal.
func (p Paths) Database() string { return p.at("var/lib/ispctl/ispctl.db") }

// JournalHead is the newest row of the journal, beside the database.
func (p Paths) JournalHead() string { return p.at("var/lib/ispctl/journal.head") }

// HostKeys is the secret that the SSH host keys of guests are made of.
func (p Paths) HostKeys() string { return p.at("var/lib/ispctl/hostkeys.secret") }

// GatewayKey is what the tenants' gateway proves itself by.
func (p Paths) GatewayKey() string { return p.at("var/lib/ispctl/gateway_host_key") }

// Usage holds what was metered.
func (p Paths) Usage() string { return p.at("var/lib/ispctl/usage.db") }

// QuotaHook is the program that is told of quotas, if there is one.
func (p Paths) QuotaHook() string { return p.at("etc/ispctl/hooks/quota") }

// Confirm is the directory of a change that awaits its confirmation: what it is
// taken back with, and the log of the guard that would do so.
func (p Paths) Confirm() string { return p.at("var/lib/ispctl/confirm") }

// Lock is the file whose lock only one changing ispctl holds.
func (p Paths) Lock() string { return p.at("run/ispctl/lock") }

// Serve is the file whose lock the one `ispctl serve` of the installation holds.
func (p Paths) Serve() string { return p.at("run/ispctl/serve.lock") }

// Control is the socket at which serve answers users who are not root.
func (p Paths) Control() string { return p.at("run/ispctl/control.sock") }

// Images is the image store, where AppArmor's profile for libvirt lets QEMU
// read disks.
func (p Paths) Images() string { return p.at("var/lib/libvirt/images/ispctl/images") }

// Image is the directory of one image.
func (p Paths) Image(digest string) string { return filepath.Join(p.Images(), digest) }

// Guests is where the disks of VMs are, a directory each.
func (p Paths) Guests() string { return p.at("var/lib/libvirt/images/ispctl/vms") }

// Guest is the directory of one VM.
func (p Paths) Guest(uuid string) string { return filepath.Join(p.Guests(), uuid) }

// Disk is the qcow2 overlay of a VM, its first disk, as it was first made.
func (p Paths) Disk(uuid string) string { return p.DiskOf(VM{UUID: uuid}) }

// DiskOf is the qcow2 overlay of a VM in its present generation.
func (p Paths) DiskOf(vm VM) string { return filepath.Join(p.Guest(vm.UUID), vm.DiskName()) }

// Data is a data disk of a VM.
func (p Paths) Data(uuid string, d Disk) string { return filepath.Join(p.Guest(uuid), d.File()) }

// Rescue is the disk that a VM boots in rescue.
func (p Paths) Rescue(uuid string) string { return filepath.Join(p.Guest(uuid), RescueName) }

// Seed is the NoCloud image of a VM, its second disk, read-only.
func (p Paths) Seed(uuid string) string { return filepath.Join(p.Guest(uuid), "seed.iso") }

// SerialLog is what a VM wrote to its serial console.
func (p Paths) SerialLog(uuid string) string { return filepath.Join(p.Guest(uuid), "serial.log") }

// ConsoleLock is the file whose lock whoever is at a VM's console holds.
func (p Paths) ConsoleLock(uuid string) string {
	return filepath.Join(p.Run(), "console-"+uuid+".lock")
}

// ImageDisk is the raw disk of an image, which overlays are laid over.
func (p Paths) ImageDisk(digest string) string { return filepath.Join(p.Image(digest), "disk.raw") }

// ImageKernel is the kernel that boots the image.
func (p Paths) ImageKernel(digest string) string { return filepath.Join(p.Image(digest), "vmlinuz") }

// ImageInitrd is the initial RAM disk that goes with the kernel.
func (p Paths) ImageInitrd(digest string) string { return filepath.Join(p.Image(digest), "initrd.img") }

// Embed is the root of libvirt's QEMU driver when it runs inside ispctl.
func (p Paths) Embed() string { return p.at("var/lib/ispctl/libvirt") }

// VPNKeys is the directory of the VPN's private and preshared keys.
func (p Paths) VPNKeys() string { return p.at("var/lib/ispctl/vpn") }

// VPNLog is what that process says.
func (p Paths) VPNLog() string { return p.at("run/ispctl/vpn.log") }

// VPNSocket is where the process of a VPN device without the kernel's help is
// told what to do.
func (p Paths) VPNSocket() string { return p.at("run/ispctl/vpn.sock") }

// Run is the directory of what does not outlive a boot.
func (p Paths) Run() string { return p.at("run/ispctl") }
