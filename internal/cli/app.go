package cli

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ispctl"
	"ispctl/images"
	"ispctl/internal/config"
	"ispctl/internal/probe"
	"ispctl/internal/rehearse"
	"ispctl/internal/resident"
	"ispctl/net/bridge"
	"ispctl/operations"
	"ispctl/state"
	"ispctl/templates"
	"ispctl/vm"
	"ispctl/vm/libvirtd"
	"ispctl/vpn/keys"
)

// app is what the commands of one command line share: the global flags, and
// what was opened for them.
type app struct {
	streams  Streams
	rootDir  string
	format   string
	lockWait time.Duration
	yes      bool

	closers []func() error
}

// RootEnv names the environment variable that stands for --root.
const RootEnv = "ISPCTL_ROOT"

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ispctl",
		Short: "One Linux box as a compartmentalised virtual Internet service provider",
		Example: `  ispctl init --uplink eth0 --address 203.0.113.2/24 --gateway 203.0.113.1
  ispctl apply -f provider.yaml
  ispctl vm create web1 --template debian-12 --zone dmz --plan small --ssh-key ~/.ssh/id_ed25519.pub --wait`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(a.streams.In)
	root.SetOut(a.streams.Out)
	root.SetErr(a.streams.Err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &ispctl.Error{Kind: ispctl.Usage, Cause: err.Error(), Next: "see: " + c.CommandPath() + " --help"}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.rootDir, "root", os.Getenv(RootEnv), "directory that all paths are under (or "+RootEnv+")")
	flags.DurationVar(&a.lockWait, "lock-timeout", 30*time.Second, "how long to wait for another ispctl at work")
	root.AddCommand(
		a.initCmd(), a.applyCmd(), a.diffCmd(), a.exportCmd(), a.convergeCmd(), a.confirmCmd(), a.confirmGuard(), a.statusCmd(), a.doctorCmd(), a.serveCmd(),
		group("zone", "Security compartments: a bridge and an address plan each", a.zoneCreate(), a.zoneSet(), a.zoneList(), a.zoneShow(), a.zoneDelete(), a.zonePolicy(), a.zoneCheck()),
		group("address", "External addresses", a.addressAdd(), a.addressAssign(), a.addressRelease(), a.addressSet(), a.addressMove(), a.addressList(), a.addressRemove()),
		group("forward", "Ports of external addresses carried to VMs", a.forwardAdd(), a.forwardList(), a.forwardRemove()),
		group("image", "Immutable disks that VMs are made from", a.imageBuild(), a.imagePull(), a.imageImport(), a.imageList(), a.imageShow(), a.imageVerify(), a.imageRemove(), a.imagePrune(), a.imageCatalogue()),
		group("plan", "What a subscriber buys: CPUs, memory, disk, rates", a.planCreate(), a.planSet(), a.planList(), a.planShow(), a.planDelete()),
		group("qos", "What VMs may use: rates, CPU time, memory, disk", a.qosShow(), a.qosSet(), a.qosUplink(), a.qosCapacity(), a.qosHost(), a.qosBalance(),
			group("flow", "Ceilings for some of a VM's traffic", a.qosFlowAdd(), a.qosFlowList(), a.qosFlowRemove()),
			group("total", "What all guests of a zone or a tenant may have of the uplink together", a.qosTotalSet(), a.qosTotalList(), a.qosTotalRemove())),
		a.usageCmd(), a.top(),
		group("report", "What was used and what it costs, for customers", a.reportMonthly()),
		group("quota", "How much may pass in a month, and what is done then", a.quotaSet(), a.quotaList(), a.quotaShow(), a.quotaLift(), a.quotaRemove()),
		group("tariff", "What the traffic of a plan costs", a.tariffSet(), a.tariffList(), a.tariffRemove()),
		group("template", "Recipes that VMs are made by", a.templateList(), a.templateShow(), a.templateCreate(), a.templateDelete()),
		group("audit", "Who changed what: the journal, chained by hashes", a.auditList(), a.auditVerify(), a.auditExport()),
		a.tenantCmd(),
		group("gateway", "Where tenants come in by SSH, to look after their VMs", a.gatewaySet(), a.gatewayShow(), a.gatewaySession()),
		group("vm", "Virtual machines", append(append(a.vmActs(), a.vmInside()...), a.vmCreate(), a.vmList(), a.vmShow(), a.vmDestroy(), a.vmRebuild(), a.vmRename(), a.vmSet(), a.vmEdit(), a.vmLogs(), a.vmConsole(), a.vmResetPassword(), a.vmAddKey(),
			a.vmResize(), a.vmDisk(), a.vmSnapshot(), a.vmClone(), a.vmExport(), a.vmRescue())...),
		group("nic", "A VM's interfaces, and what they are let do", a.nicAdd(), a.nicRemove(), a.nicAllow(), a.nicDeny(), a.nicTags()),
		a.vpnCmd(), a.vpnProcess(),
		group("host", "The host itself", a.hostShutdown()),
		group("demo", "A private provider to look at, in namespaces of its own", a.demoUp(), a.demoStatus(), a.demoDown()),
		a.versionCmd(), a.completionCmd(),
	)
	root.SuggestionsMinimumDistance = 2
	wantsMore(root, "command")
	return root
}

// group is a noun with its verbs.
func group(noun, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: noun, Short: short, Example: verbs[0].Example}
	c.AddCommand(verbs...)
	c.SuggestionsMinimumDistance = 2
	wantsMore(c, "verb")
	return c
}

// wantsMore makes a command that only holds others say so: a word that is none
// of them, or none at all, is a usage error.
func wantsMore(c *cobra.Command, what string) {
	usage := func(object, cause string) error {
		return &ispctl.Error{Kind: ispctl.Usage, Object: object, Cause: cause, Next: "see: " + c.CommandPath() + " --help"}
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return usage(c.CommandPath(), "which "+what+"?") }
	c.Args = func(c *cobra.Command, given []string) error {
		if len(given) == 0 {
			return nil
		}
		cause := "no such " + what
		if near := c.SuggestionsFor(given[0]); len(near) > 0 {
			cause += "; did you mean: " + strings.Join(near, ", ")
		}
		return usage(c.CommandPath()+" "+given[0], cause)
	}
}

func (a *app) close() {
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i](); err != nil {
			fmt.Fprintln(a.streams.Err, "ispctl:", err)
		}
	}
}

func (a *app) later(closer func() error) { a.closers = append(a.closers, closer) }

func (a *app) paths() ispctl.Paths { return ispctl.Paths{Root: a.rootDir} }

// reader opens what commands that only look at intent need: configuration,
// database and templates.
func (a *app) reader(ctx context.Context) (*operations.Provider, ispctl.Installation, error) {
	inst, err := config.Load(a.paths())
	if err != nil {
		return nil, inst, err
	}
	p, err := a.open(ctx, inst)
	return p, inst, err
}

// inside is a reader that stands in the installation's network namespace,
// which starts the command line over.
func (a *app) inside(ctx context.Context) (*operations.Provider, error) {
	inst, err := config.Load(a.paths())
	if err != nil {
		return nil, err
	}
	if err := a.enter(inst); err != nil {
		return nil, err
	}
	p, err := a.open(ctx, inst)
	if err != nil {
		return nil, err
	}
	p.VPNDevice = a.vpnDevice(inst)
	p.Probe = func(ctx context.Context, m *ispctl.Model, q operations.Question) (operations.ProbeView, error) {
		o, err := probe.Try(ctx, m, probe.Question(q))
		return operations.ProbeView(o), err
	}
	return p, nil
}

func (a *app) open(ctx context.Context, inst ispctl.Installation) (*operations.Provider, error) {
	set, err := templates.Load(a.paths().Templates())
	if err != nil {
		return nil, err
	}
	store, err := state.Open(ctx, inst, a.paths())
	if err != nil {
		return nil, err
	}
	a.later(store.Close)
	store.Asker = a.asker()
	return &operations.Provider{
		Store: store, Templates: set, Images: &images.Store{Dir: a.paths().Images()}, Paths: a.paths(),
		VPNKeys:    &keys.Store{Dir: a.paths().VPNKeys()},
		DomainType: vm.HostOf(inst).Type,
		OpenUsage:  a.openUsage(),
		Serving:    func() (int, bool, error) { return resident.Holder(a.paths().Serve()) },
		Clock:      operations.KernelClock{}, Actor: actor(), LockWait: a.lockWait, Progress: a.progress,
	}, nil
}

// provider opens everything, and first of all takes back what was not
// confirmed in time.
func (a *app) provider(ctx context.Context) (*operations.Provider, error) {
	p, err := a.openProvider(ctx)
	if err != nil {
		return nil, err
	}
	said, err := p.Recover(ctx)
	if said != "" {
		fmt.Fprintln(a.streams.Err, said)
	}
	return p, err
}

// openProvider moves the process into the installation's network namespace
// first, which starts the command line over.
func (a *app) openProvider(ctx context.Context) (*operations.Provider, error) {
	inst, err := config.Load(a.paths())
	if err != nil {
		return nil, err
	}
	if err := a.enter(inst); err != nil {
		return nil, err
	}
	p, err := a.open(ctx, inst)
	if err != nil {
		return nil, err
	}
	hypervisor := libvirtd.Open(inst.Hypervisor, a.paths(), inst)
	a.later(hypervisor.Close)
	p.Traffic, p.Host = func(context.Context) (map[string]operations.Octets, error) { return readTraffic(inst) }, hostFacts(inst, a.paths())
	p.Uses = guestUses(inst)
	if hypervisor.CanBalloon() {
		p.Ballooner, p.Pressure = hypervisor, hostMemory
	}
	if err := a.metering(p, inst); err != nil {
		return nil, err
	}
	p.Drops = dropsOf(inst)
	p.Hypervisor, p.Agent = hypervisor, hypervisor
	p.Fallbacks = fallbacks
	if p.Unheld, err = unheld(inst, a.paths()); err != nil {
		return nil, err
	}
	layers, closeLayers, err := Layers(inst, a.paths(), p.Templates, hypervisor, a.tunnel(p.VPNKeys))
	if err != nil {
		return nil, err
	}
	a.later(closeLayers)
	p.Layers, p.CheckTrunk = layers, bridge.CheckTrunk
	if inst.Xen != "" {
		p.CheckGuests = func(m *ispctl.Model) error {
			_, err := vm.Desired(vm.HostOf(inst))(m)
			return err
		}
	}
	p.Guards, p.Caller, p.Rehearse = a.guards(), caller(), rehearse.Through
	return p, nil
}

// actor is who asks, for the journal.
func actor() string {
	if _, name, is := bySocket(); is {
		return name
	}
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}
