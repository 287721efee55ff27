package cli

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/internal/config"
	"ispctl/internal/netns"
	"ispctl/net/route"
	"ispctl/operations"
	"ispctl/vm"
)

// hypervisors are short for the URIs of libvirt that most hosts want.
var hypervisors = map[string]string{"system": "qemu:///system", "embed": "embed"}

// xenKinds are the ways of running guests on Xen.
var xenKinds = map[string]ispctl.XenKind{"xen": ispctl.XenPV, "xen-pvh": ispctl.XenPVH, "xen-hvm": ispctl.XenHVM}

func (a *app) initCmd() *cobra.Command {
	var inst ispctl.Installation
	var hypervisor, address, gateway, address6, gateway6, kind string
	var uplink ispctl.Uplink
	var services, sources []string
	var way uplinkFlags
	var admin adminFlags
	var o operations.Options
	c := &cobra.Command{
		Use:   "init",
		Short: "Write the configuration of this installation and declare its uplink",
		Example: `  ispctl init --uplink eth0 --address 203.0.113.2/24 --gateway 203.0.113.1
  ispctl init --root /srv/lab --netns lab --hypervisor embed --uplink eth0 --address 203.0.113.2/24 --gateway 203.0.113.1`,
		Args: args(0, "no argument"), ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			inst.Hypervisor = hypervisor
			if uri, short := hypervisors[hypervisor]; short {
				inst.Hypervisor = uri
			}
			if kind, onXen := xenKinds[hypervisor]; onXen {
				inst.Hypervisor, inst.Xen = "xen:///system", kind
			}
			if err := inst.Validate(); err != nil {
				return err
			}
			if inst.Xen != "" && !vm.XenHere() {
				return &ispctl.Error{
					Kind: ispctl.Conflict, Object: "hypervisor " + inst.Hypervisor, Cause: "this host does not run on Xen as its dom0 (/proc/xen/capabilities does not say control_d)",
					Next: "boot it by Xen, or choose another: --hypervisor system",
				}
			}
			if inst.NetNS != "" && !netns.Exists(inst.NetNS) {
				return &ispctl.Error{Kind: ispctl.NotFound, Object: fmt.Sprintf("network namespace %q", inst.NetNS), Cause: "is not there", Next: "make it: ip netns add " + inst.NetNS}
			}
			if have, err := config.Load(a.paths()); err == nil && have.Prefix != inst.Prefix {
				return ispctl.Conflicting("installation", have.Prefix, "is here already, and its host objects bear its name; --prefix cannot become %q", inst.Prefix)
			}
			if err := parseUplink6(&uplink, address6, gateway6); err != nil {
				return err
			}
			auto := kind == autoKind
			if auto {
				kind = string(ispctl.Routed) // until it is looked at
			}
			listed, err := parseUplink(&uplink, kind, address, gateway, services)
			if err != nil {
				return err
			}
			d := operations.Declaration{Uplink: uplink, Services: listed}
			if err := way.read(c, &d); err != nil {
				return err
			}
			if c.Flags().Changed(hostSource) {
				if d.Sources, err = parseSources(sources); err != nil {
					return err
				}
			}
			if d.Admin, err = admin.spec(c); err != nil {
				return err
			}
			if os.Geteuid() != 0 {
				return &ispctl.Error{Kind: ispctl.Permission, Object: "init", Cause: "changes the host", Next: "run it as root"}
			}
			if err := a.enter(inst); err != nil {
				return err
			}
			if auto {
				if err := a.detect(&d.Uplink); err != nil {
					return err
				}
			}
			return a.runInit(c, inst, d, o)
		},
	}
	f := c.Flags()
	f.StringVar(&inst.Prefix, "prefix", ispctl.DefaultPrefix, "what the names of host objects begin with")
	f.StringVar(&inst.Operators, "operators", "", "group whose members may do anything, by the socket of serve; ispctl unless told otherwise")
	f.StringVar(&inst.Auditors, "auditors", "", "group whose members may see it all and change nothing; ispctl-audit unless told otherwise")
	f.StringVar(&inst.NetNS, "netns", "", "named network namespace to live in; without it, the host's own")
	f.StringVar(&hypervisor, "hypervisor", "system", "embed (libvirt's QEMU driver inside ispctl), system (qemu:///system), xen, xen-pvh or xen-hvm (xen:///system, with guests of kind PV, PVH or HVM), or a libvirt URI")
	f.StringVar(&uplink.Interface, "uplink", "", "interface to the provider")
	f.StringVar(&kind, "uplink-kind", string(ispctl.Routed), "how the provider delivers addresses: routed, vmac, failover, bridged, or auto: look, and say why")
	way.register(c)
	f.StringVar(&address, "address", "", "the host's own address on the uplink, with its length; put in place if it is missing")
	f.StringVar(&gateway, "gateway", "", "the provider's router; becomes the default route if there is none")
	f.StringVar(&address6, "address6", "", "the same for IPv6")
	f.StringVar(&gateway6, "gateway6", "", "the provider's IPv6 router; without it, it is learnt by router advertisements")
	f.StringSliceVar(&services, "host-service", []string{"22/tcp"}, "what the host itself answers on the uplink, as 22/tcp; may be given again")
	admin.register(c)
	f.StringSliceVar(&sources, hostSource, nil, "who may reach them, as 192.0.2.0/24, or any; may be given again; without it, as before, and everybody at first")
	wallFlags(c, &o)
	_ = c.RegisterFlagCompletionFunc("hypervisor", cobra.FixedCompletions([]string{"embed", "system", "xen", "xen-pvh", "xen-hvm", "test:///default"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// hostSource is a flag of init.
const hostSource = "host-source"

// parseSources reads who may reach the host; none is everybody.
func parseSources(words []string) (*[]netip.Prefix, error) {
	sources := []netip.Prefix{}
	if len(words) == 1 && words[0] == "any" {
		return &sources, nil
	}
	for _, s := range words {
		p, err := ispctl.ParseHostSource(s)
		if err != nil {
			return nil, err
		}
		sources = append(sources, p)
	}
	return &sources, nil
}

// parseUplink reads the uplink's flags.
func parseUplink(u *ispctl.Uplink, kind, address, gateway string, services []string) ([]ispctl.Service, error) {
	var err error
	if address != "" {
		if u.Address, err = netip.ParsePrefix(address); err != nil {
			return nil, ispctl.Invalid("uplink", u.Interface, "address %q is not ADDRESS/LENGTH", address)
		}
	}
	if gateway != "" {
		if u.Gateway, err = parseAddress(gateway); err != nil {
			return nil, err
		}
	}
	if u.Interface == "" && (address != "" || gateway != "") {
		return nil, &ispctl.Error{Kind: ispctl.Usage, Object: "init", Cause: "--address and --gateway are the uplink's", Next: "name it with --uplink"}
	}
	u.Kind = ispctl.UplinkKind(kind)
	listed := make([]ispctl.Service, len(services))
	for i, s := range services {
		if listed[i], err = ispctl.ParseService(s); err != nil {
			return nil, err
		}
	}
	return listed, u.Validate()
}

// parseUplink6 reads the uplink's flags for IPv6.
func parseUplink6(u *ispctl.Uplink, address, gateway string) error {
	var err error
	if address != "" {
		if u.Address6, err = netip.ParsePrefix(address); err != nil {
			return ispctl.Invalid("uplink", u.Interface, "address %q is not ADDRESS/LENGTH", address)
		}
	}
	if gateway != "" {
		if u.Gateway6, err = parseAddress(gateway); err != nil {
			return err
		}
	}
	if u.Interface == "" && (address != "" || gateway != "") {
		return &ispctl.Error{Kind: ispctl.Usage, Object: "init", Cause: "--address6 and --gateway6 are the uplink's", Next: "name it with --uplink"}
	}
	return nil
}

// runInit does the work, inside the installation's namespace.
func (a *app) runInit(c *cobra.Command, inst ispctl.Installation, d operations.Declaration, o operations.Options) error {
	routes, err := route.Open()
	if err != nil {
		return err
	}
	defer routes.Close()
	if d.Uplink.Configured() {
		done, err := routes.SetUp(d.Uplink)
		if len(done) > 0 {
			fmt.Fprintln(a.streams.Err, strings.Join(done, "\n"))
		}
		if err != nil {
			return err
		}
	}
	if d.Admin.Avoid, err = routes.Destinations(); err != nil {
		return err
	}
	if err := config.Save(a.paths(), inst); err != nil {
		return err
	}
	if inst.Xen != "" {
		if err := vm.InstallXenScript(vm.XenScript); err != nil {
			return err
		}
	}
	p, err := a.provider(c.Context())
	if err != nil {
		return err
	}
	r, err := p.DeclareHost(c.Context(), d, o)
	if err := a.report(r, o, err); err != nil {
		return err
	}
	fmt.Fprintf(a.streams.Err, "configuration written to %s\n", a.paths().Config())
	return nil
}
