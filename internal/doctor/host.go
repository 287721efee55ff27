package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// sysctl reads one; there is false where the kernel does not have it.
func (p *Patient) sysctl(key ...string) (value string, there bool, err error) {
	b, err := os.ReadFile(filepath.Join(append([]string{p.Proc, "sys"}, key...)...))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return strings.TrimSpace(string(b)), err == nil, err
}

func (p *Patient) number(key ...string) (n int, there bool, err error) {
	text, there, err := p.sysctl(key...)
	if err != nil || !there {
		return 0, false, err
	}
	n, err = strconv.Atoi(text)
	return n, true, err
}

// sysctlIs looks at a setting that a pass puts right.
func sysctlIs(key, want string) func(context.Context, *Patient) ([]Finding, error) {
	return func(_ context.Context, p *Patient) ([]Finding, error) {
		value, there, err := p.sysctl(strings.Split(key, ".")...)
		if err != nil || !there || value == want {
			return nil, err
		}
		return []Finding{{State: Failed, Found: key + " is " + value, Cure: "sysctl -w " + key + "=" + want + " (ispctl converge does it)", Safe: true}}, nil
	}
}

func bridgeFilter(ctx context.Context, p *Patient) ([]Finding, error) {
	var all []Finding
	for _, what := range []string{"iptables", "ip6tables", "arptables"} {
		found, err := sysctlIs("net.bridge.bridge-nf-call-"+what, "0")(ctx, p)
		if err != nil {
			return all, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func looseFilter(_ context.Context, p *Patient) ([]Finding, error) {
	n, there, err := p.number("net", "ipv4", "conf", "all", "rp_filter")
	if err != nil || !there || n < 2 {
		return nil, err
	}
	return []Finding{{State: Warning, Found: "net.ipv4.conf.all.rp_filter is 2", Cure: "sysctl -w net.ipv4.conf.all.rp_filter=0, and 2 on single links that need it; find who sets it in /etc/sysctl.d"}}, nil
}

func acceptRA(_ context.Context, p *Patient) ([]Finding, error) {
	link := p.Model.Uplink.Interface
	forwards, there, err := p.number("net", "ipv6", "conf", "all", "forwarding")
	if err != nil || !there || forwards == 0 || link == "" {
		return nil, err
	}
	n, there, err := p.number("net", "ipv6", "conf", link, "accept_ra")
	if err != nil || !there || n != 1 {
		return nil, err // 0 is somebody's decision, 2 is right
	}
	return []Finding{{State: Failed, Object: link, Found: "accept_ra is 1, and the host forwards IPv6", Cure: "sysctl -w net.ipv6.conf." + link + ".accept_ra=2 (ispctl converge does it)", Safe: true}}, nil
}

func uplink(_ context.Context, p *Patient) ([]Finding, error) {
	name := p.Model.Uplink.Interface
	if name == "" {
		return []Finding{{State: Warning, Found: "none is declared", Cure: "ispctl init --uplink INTERFACE"}}, nil
	}
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	links, err := handle.LinkList()
	if err != nil {
		return nil, err
	}
	byIndex := map[int]netlink.Link{}
	var up netlink.Link
	for _, l := range links {
		byIndex[l.Attrs().Index] = l
		if l.Attrs().Name == name {
			up = l
		}
	}
	if up == nil {
		return []Finding{{State: Failed, Object: name, Found: "no such interface", Cure: "see: ip link; then ispctl init --uplink INTERFACE"}}, nil
	}
	var all []Finding
	a := up.Attrs()
	if a.RawFlags&unix.IFF_UP == 0 {
		all = append(all, Finding{State: Failed, Object: name, Found: "is down", Cure: "ip link set dev " + name + " up"})
	} else if a.RawFlags&unix.IFF_LOWER_UP == 0 { // the operational state comes later
		all = append(all, Finding{State: Failed, Object: name, Found: "has no carrier", Cure: "see to the cable, or to the provider's switch"})
	}
	if master := byIndex[a.MasterIndex]; master != nil && master.Type() == "bridge" && p.Model.Uplink.Kind != "bridged" {
		all = append(all, Finding{
			State: Failed, Object: name, Found: fmt.Sprintf("is a port of bridge %s, and its kind is %s", master.Attrs().Name, p.Model.Uplink.Kind),
			Cure: "ip link set dev " + name + " nomaster, and move its addresses back; or, if the provider allows it, ispctl init --uplink-kind bridged",
		})
	}
	for _, l := range links {
		foreign := map[string]bool{"macvlan": true, "macvtap": true}[l.Type()]
		if foreign && l.Attrs().ParentIndex == a.Index && l.Attrs().HardwareAddr.String() != a.HardwareAddr.String() {
			all = append(all, Finding{
				State: Failed, Object: name, Found: fmt.Sprintf("%s %s sends by it with the MAC %s", l.Type(), l.Attrs().Name, l.Attrs().HardwareAddr),
				Cure: "ip link delete " + l.Attrs().Name + ", unless the provider issued that MAC",
			})
		}
	}
	return all, nil
}

// full is from which share on, in percent, a table counts as nearly full.
const full = 80

func connections(_ context.Context, p *Patient) ([]Finding, error) {
	count, there, err := p.number("net", "netfilter", "nf_conntrack_count")
	if err != nil || !there {
		return nil, err
	}
	most, there, err := p.number("net", "netfilter", "nf_conntrack_max")
	if err != nil || !there || count*100 < most*full {
		return nil, err
	}
	return []Finding{{
		State: Failed, Found: fmt.Sprintf("%d of %d connections are tracked", count, most),
		Cure: fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d, and find who opens so many: conntrack -L", 2*most),
	}}, nil
}

func neighbours(_ context.Context, p *Patient) ([]Finding, error) {
	most, there, err := p.number("net", "ipv4", "neigh", "default", "gc_thresh3")
	if err != nil || !there {
		return nil, err // of a namespace: it is the host's
	}
	nics := 0
	for _, vm := range p.Model.VMs {
		nics += len(vm.NICs)
	}
	if nics*100 < most*full {
		return nil, nil
	}
	return []Finding{{State: Failed, Found: fmt.Sprintf("%d NICs, and the table holds %d", nics, most), Cure: fmt.Sprintf("sysctl -w net.ipv4.neigh.default.gc_thresh3=%d", 4*nics), Safe: false}}, nil
}

func virtualisation(_ context.Context, p *Patient) ([]Finding, error) {
	switch {
	case p.KVM || strings.HasPrefix(p.Model.Installation.Hypervisor, "test:"):
		return nil, nil
	case p.KVMMisleads:
		return []Finding{{State: Warning, Found: "/dev/kvm opens, and the processor has neither VMX nor SVM: this host is itself a guest", Cure: "have nested virtualisation switched on by whoever runs it"}}, nil
	}
	return []Finding{{State: Warning, Found: "/dev/kvm cannot be used: guests are emulated", Cure: "switch VT-x or AMD-V on in the firmware, and: modprobe kvm_intel, or kvm_amd"}}, nil
}

func clock(context.Context, *Patient) ([]Finding, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return nil, fmt.Errorf("adjtimex: %w", err)
	}
	if state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0 {
		return nil, nil
	}
	return []Finding{{State: Warning, Found: "nobody keeps it: the kernel says that it is not synchronised", Cure: "apt install systemd-timesyncd, or chrony"}}, nil
}

func disk(_ context.Context, p *Patient) ([]Finding, error) {
	var all []Finding
	for _, dir := range []string{p.Model.Paths.Guests(), filepath.Dir(p.Model.Paths.Database())} {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if errors.Is(err, unix.ENOENT) {
			continue // no guest yet
		}
		if err != nil {
			return all, fmt.Errorf("%s: %w", dir, err)
		}
		if f := space(dir, st.Bavail, st.Blocks, "space"); f != nil {
			all = append(all, *f)
		}
		if f := space(dir, st.Ffree, st.Files, "inodes"); f != nil {
			all = append(all, *f)
		}
	}
	return all, nil
}

// space judges what is free; 0 of 0 is a file system that does not count.
func space(dir string, free, total uint64, what string) *Finding {
	const little, none = 10, 2 // percent
	if total == 0 || free*100 >= total*little {
		return nil
	}
	f := &Finding{
		State: Warning, Object: dir, Found: fmt.Sprintf("%d %% of its %s are free", free*100/total, what),
		Cure: "ispctl image list, and remove what no VM needs; or enlarge the file system",
	}
	if free*100 < total*none {
		f.State = Failed
	}
	return f
}

// unitOrder asks systemd, where it runs.
func unitOrder(ctx context.Context, p *Patient) ([]Finding, error) {
	if _, err := os.Stat(filepath.Join(p.Run, "systemd", "system")); err != nil {
		return []Finding{{State: Skipped, Found: "systemd does not run here"}}, nil
	}
	enabled := func(unit string) bool {
		return exec.CommandContext(ctx, "systemctl", "--quiet", "is-enabled", unit).Run() == nil
	}
	if enabled("ispctl.service") {
		return nil, nil // which is ordered after those that flush
	}
	for _, unit := range []string{"nftables.service", "firewalld.service", "ufw.service", "netfilter-persistent.service"} {
		if enabled(unit) {
			return []Finding{{State: Failed, Object: unit, Found: "loads its rules at boot, and ispctl.service, which would put ours back, is not enabled", Cure: "systemctl enable --now ispctl"}}, nil
		}
	}
	return []Finding{{State: Warning, Found: "ispctl.service is not enabled: after a boot nothing is made until a command is run", Cure: "systemctl enable --now ispctl"}}, nil
}

func limits(ctx context.Context, p *Patient) ([]Finding, error) {
	unheld, err := p.Unheld(ctx)
	if err != nil {
		return nil, err
	}
	var all []Finding
	for _, text := range unheld {
		all = append(all, Finding{State: Warning, Found: text, Cure: "give the kernel what it lacks, or lift the limit: ispctl plan set, ispctl qos set"})
	}
	return all, nil
}
