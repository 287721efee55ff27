package operations

import (
	"time"

	"ispctl"
)

// The views are what `-o json` prints. Scripts depend on the names: once
// shipped they stay, and later work only adds. Times are RFC 3339 UTC, sizes
// bytes.

// ZoneView is a zone as scripts see it.
type ZoneView struct {
	Name     ispctl.Name   `json:"name"`
	Bridge   string        `json:"bridge"`
	Trunk    string        `json:"trunk"` // empty: it ends here
	VLAN     int           `json:"vlan"`  // 0 with a trunk: its bridge keeps VLANs apart
	Prefix   string        `json:"prefix"`
	Gateway  string        `json:"gateway"`
	Prefix6  string        `json:"prefix6"`
	Gateway6 string        `json:"gateway6"`
	SNAT     string        `json:"snat"`
	Egress   bool          `json:"egress"`
	Isolated bool          `json:"isolated"`
	Flows    bool          `json:"flows"` // whom its guests speak to is recorded
	KSM      bool          `json:"ksm"`
	MTU      int           `json:"mtu"`
	DHCP     bool          `json:"dhcp"`
	DNS      bool          `json:"dns"`
	VMs      []ispctl.Name `json:"vms"`

	Leg        string `json:"leg"` // its stretch of the admin network; empty: it has none
	LegGateway string `json:"leg_gateway"`
	LegBridge  string `json:"leg_bridge"`
}

func viewZone(m *ispctl.Model, z ispctl.Zone) ZoneView {
	v := ZoneView{
		Name: z.Name, Bridge: m.Installation.Bridge(z.Name), Trunk: z.Trunk, VLAN: z.VLAN, Prefix: z.Prefix.String(), Gateway: z.Gateway().String(),
		Prefix6: prefixText(z.Prefix6), Gateway6: addrText(z.Gateway6()),
		SNAT: addrText(z.SNAT), Egress: z.Egress, Isolated: z.Isolated, Flows: z.Flows, KSM: z.KSM, MTU: z.LinkMTU(), DHCP: z.DHCP, DNS: z.DNS, VMs: list(m.VMsIn(z.Name)),
		LegGateway: addrText(z.LegGateway()), LegBridge: m.LegBridge(z),
	}
	if z.Leg.IsValid() {
		v.Leg = z.Leg.String()
	}
	return v
}

// AddressView is an external address as scripts see it.
type AddressView struct {
	Address  string        `json:"address"`
	Zones    []ispctl.Name `json:"zones"`    // zones that go out with it
	Forwards []string      `json:"forwards"` // outside ends on it

	Mode  string      `json:"mode"` // shared, or what one VM has it as
	VM    ispctl.Name `json:"vm"`   // that has it to itself
	MAC   string      `json:"mac"`  // that the provider issued for it
	Rests *RestView   `json:"rests,omitempty"`
}

// RestView is why an address cannot be had yet.
type RestView struct {
	VM    ispctl.Name `json:"vm"` // that may have it back at once
	Until time.Time   `json:"until"`
}

func viewAddress(m *ispctl.Model, a ispctl.Address, rests []ispctl.Rest) AddressView {
	v := AddressView{Address: a.Addr.String(), Zones: []ispctl.Name{}, Forwards: []string{}, Mode: string(a.Mode), VM: a.VM, MAC: a.MAC}
	if a.Mode == ispctl.Shared {
		v.Mode = "shared"
	}
	for _, r := range rests {
		if r.Addr == a.Addr {
			v.Rests = &RestView{VM: r.VM, Until: r.Until}
		}
	}
	for _, z := range m.Zones {
		if z.SNAT == a.Addr {
			v.Zones = append(v.Zones, z.Name)
		}
	}
	for _, f := range m.Forwards {
		if f.Listen.Addr == a.Addr {
			v.Forwards = append(v.Forwards, f.Outside())
		}
	}
	return v
}

// ForwardView is a forward as scripts see it.
type ForwardView struct {
	Listen string      `json:"listen"`
	To     string      `json:"to"`
	VM     ispctl.Name `json:"vm"`
	Target string      `json:"target"` // address and port inside
}

func viewForward(m *ispctl.Model, f ispctl.Forward) ForwardView {
	v := ForwardView{Listen: f.Outside(), To: f.To(), VM: f.VM}
	if vm, err := m.VM(string(f.VM)); err == nil && len(vm.NICs) > 0 {
		v.Target = joinPort(vm.NICs[0].Addr, f.Port)
		if f.Listen.Addr.Is6() {
			v.Target = joinPort(f.Listen.Addr, f.Port)
		}
	}
	return v
}

// PlanView is a plan as scripts see it.
type PlanView struct {
	Name   ispctl.Name   `json:"name"`
	CPUs   int           `json:"cpus"`
	Memory int64         `json:"memory_bytes"`
	Disk   int64         `json:"disk_bytes"`
	VMs    []ispctl.Name `json:"vms"`
	Limits LimitsView    `json:"limits"`
}

func viewPlan(m *ispctl.Model, p ispctl.Plan) PlanView {
	return PlanView{Name: p.Name, CPUs: p.CPUs, Memory: int64(p.Memory), Disk: int64(p.Disk), VMs: list(m.VMsOn(p.Name)), Limits: viewLimits(p.Limits)}
}

// ImageView is an image as scripts see it.
type ImageView struct {
	Name   ispctl.Name   `json:"name"`
	Digest string        `json:"digest"`
	Size   int64         `json:"size_bytes"`
	Built  time.Time     `json:"built_at"`
	VMs    []ispctl.Name `json:"vms"`
	Boot   string        `json:"boot"` // kernel or disk
}

func viewImage(m *ispctl.Model, i ispctl.Image) ImageView {
	return ImageView{
		Name: i.Name, Digest: i.Digest, Size: int64(i.Size), Built: i.Built, VMs: list(m.VMsFrom(i.Digest)), Boot: bootText(i.DiskBoot),
	}
}

func bootText(disk bool) string {
	if disk {
		return "disk"
	}
	return "kernel"
}

// ImageDetailView is one image with all that is known of it.
type ImageDetailView struct {
	ImageView
	Cmdline string            `json:"cmdline"`
	Path    string            `json:"path"`
	Source  string            `json:"source"`        // where others' came from
	Origin  string            `json:"origin_sha256"` // of the file that it came in
	SHA256  map[string]string `json:"sha256"`        // of its files
}

// ImageVerdict is what reading an image whole has come to.
type ImageVerdict struct {
	Name   ispctl.Name `json:"name"`
	Digest string      `json:"digest"`
	Sound  bool        `json:"sound"`
	Error  string      `json:"error,omitempty"`
}

// KnownImageView is a line of the catalogue.
type KnownImageView struct {
	Name        ispctl.Name `json:"name"`
	How         string      `json:"how"` // build or pull
	Description string      `json:"description"`
	URL         string      `json:"url"`
	Sums        string      `json:"sums"` // URL of the checksums
	Signer      string      `json:"signer"`
	Fingerprint string      `json:"fingerprint"`
	Boot        string      `json:"boot"`
	InStore     bool        `json:"in_store"`
}

// TemplateView is a template as scripts see it.
type TemplateView struct {
	Name        ispctl.Name `json:"name"`
	Description string      `json:"description"`
	Image       ispctl.Name `json:"image"`
	Login       string      `json:"login"`
	ImageBuilt  bool        `json:"image_built"`

	// With all that it comes from.
	From     ispctl.Name `json:"from,omitempty"`
	Plan     ispctl.Name `json:"plan,omitempty"` // of VMs that name none
	Boot     string      `json:"boot,omitempty"` // kernel or disk; absent: as the image does
	Setup    string      `json:"setup"`          // cloud-init or plain
	Console  string      `json:"console"`        // login or none
	Packages []string    `json:"packages,omitempty"`
	Users    []string    `json:"users,omitempty"`
	Files    []string    `json:"files,omitempty"`
	Steps    []string    `json:"steps,omitempty"`    // the program of each
	Services []string    `json:"services,omitempty"` // what guests listen on; opens nothing
}

// SeedFile is one file of what a guest is told.
type SeedFile struct {
	Name     string `json:"name"`
	Encoding string `json:"encoding,omitempty"` // base64, of what is no text
	Content  string `json:"content"`
}

// VMView is a VM as scripts see it.
type VMView struct {
	Name       ispctl.Name   `json:"name"`
	State      string        `json:"state"` // running, stopped, paused, crashed, destroying, error, unknown
	Error      string        `json:"error,omitempty"`
	Wanted     ispctl.Wanted `json:"wanted"`
	Zone       ispctl.Name   `json:"zone"`
	Plan       ispctl.Name   `json:"plan"`
	Template   ispctl.Name   `json:"template"`
	Image      string        `json:"image"`
	Tenant     string        `json:"tenant"`
	Root       RootView      `json:"root"`
	Hypervisor string        `json:"hypervisor"` // kvm, qemu or test
	HostKey    string        `json:"host_key"`   // public, of its SSH server; empty: not known
	HostKeyFP  string        `json:"host_key_fingerprint"`
	UUID       string        `json:"uuid"`
	Domain     string        `json:"domain"`
	MAC        string        `json:"mac"`
	Tap        string        `json:"tap"`
	Addresses  []string      `json:"addresses"` // in its zone
	Forwards   []ForwardView `json:"forwards"`
	External   []AddressView `json:"external"` // addresses that it has to itself
	CreatedAt  time.Time     `json:"created_at"`
	Phases     []PhaseView   `json:"phases"`
	Console    string        `json:"console,omitempty"` // terminal of its serial port, while it runs; by `vm show` only

	AdminAddress string    `json:"admin_address"` // on the admin leg of its zone; empty: it is not on it
	NICs         []NICView `json:"nics"`

	CPUs      int            `json:"cpus"`
	Memory    int64          `json:"memory_bytes"`
	Disks     []DiskView     `json:"disks"` // its first one, "system", and data disks
	Snapshots []SnapshotView `json:"snapshots"`
	Autostart AutostartView  `json:"autostart"`
	Rescue    string         `json:"rescue,omitempty"` // the image that it boots in place of its own disk

	// Drops is how many frames of the VM the wall and its shapers have dropped, by
	// reason.
	Drops   map[string]uint64 `json:"drops"`
	Dropped DropSums          `json:"dropped"` // by who dropped it
}

// AutostartView is what becomes of a VM when its host boots.
type AutostartView struct {
	Enabled bool  `json:"enabled"`
	Order   int   `json:"order"`
	Delay   int64 `json:"delay_seconds"`
}

// NICView is an interface of a VM.
type NICView struct {
	Index     int      `json:"index"`
	Role      string   `json:"role"` // zone or admin
	MAC       string   `json:"mac"`
	Tap       string   `json:"tap"`
	Bridge    string   `json:"bridge"`
	Addresses []string `json:"addresses"`

	Allow []ispctl.Allowance `json:"allow"` // opt-outs of the wall
	Tags  []int              `json:"tags"`  // VLANs of the trunk that it takes part in
}

// PhaseView is a point in the making of a VM, and the time since creation.
type PhaseView struct {
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"`
}

func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
