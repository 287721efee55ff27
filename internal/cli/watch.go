package cli

import (
	"context"
	"errors"
	"log"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"ispctl"
	"ispctl/converge"
	"ispctl/internal/drift"
	"ispctl/net/route"
	"ispctl/operations"
	"ispctl/vm/libvirtd"
	"ispctl/vpn/keys"
)

// How often the watch looks.
const (
	watchSilent = 2 * time.Second // at what tells of no change: sysctls
	watchWhole  = time.Minute     // at everything, told or not
	watchRest   = 50 * time.Millisecond
)

// notNetwork are the layers that the watch leaves alone: guests that ended are
// their owners' business, and disks do not change by themselves.
var notNetwork = []string{"disks", "domains"}

// watch is the task that puts back what other tools take away.
func (a *app) watch(inst ispctl.Installation, say *log.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		p, closeAll, err := a.networkProvider(ctx, inst)
		if err != nil {
			return err
		}
		defer closeAll()
		m, err := p.Store.Model(ctx)
		if err != nil {
			return err
		}
		ear, err := drift.Open(drift.Marks{
			Tables: inst.Table(""), Links: strings.TrimSuffix(inst.LinkPattern(), "*"), Named: []string{m.Uplink.Interface},
			Group: inst.LinkGroup(), Protocol: route.Protocol,
		})
		if err != nil {
			return err
		}
		hearing, stop := context.WithCancel(ctx)
		heard := make(chan error, 1)
		go func() { heard <- ear.Listen(hearing) }()
		r := &operations.Repairer{Provider: p}
		keeper := drift.Keeper{
			Repair: r.Repair, Glances: r.Glances(), Every: watchSilent, Whole: watchWhole, Rest: watchRest,
			Quiet: debug.FreeOSMemory, Ours: oursByName(), Say: log.New(say.Writer(), "watch: ", 0),
		}
		err = keeper.Keep(ctx, ear.Events())
		stop()
		return errors.Join(err, <-heard)
	}
}

// networkProvider opens a provider whose layers are those of the network, apart
// from what the command itself has open: a task may be started many times. It
// does not open libvirt.
func (a *app) networkProvider(ctx context.Context, inst ispctl.Installation) (*operations.Provider, func(), error) {
	own := &app{streams: a.streams, rootDir: a.rootDir, lockWait: a.lockWait}
	p, err := own.open(ctx, inst)
	if err != nil {
		own.close()
		return nil, nil, err
	}
	layers, closeLayers, err := Layers(inst, a.paths(), p.Templates, libvirtd.Open(inst.Hypervisor, a.paths(), inst), a.tunnel(&keys.Store{Dir: a.paths().VPNKeys()}))
	if err != nil {
		own.close()
		return nil, nil, err
	}
	own.later(closeLayers)
	p.Actor, p.Progress, p.Store.Asker.Source = "serve", nil, sourceServe
	p.Layers = slices.DeleteFunc(layers, func(l converge.Layer) bool { return slices.Contains(notNetwork, l.Name()) })
	return p, own.close, nil
}

// oursByName knows programs of ours as the kernel names them: by fifteen bytes
// of the file's name, which is "exe" where they were started as
// /proc/self/exe. Whoever bears it, too, is only waited for a little longer.
func oursByName() func(by string) bool {
	names := []string{"exe", "ispctl"}
	if path, err := os.Executable(); err == nil {
		name := filepath.Base(path)
		names = append(names, name[:min(len(name), 15)])
	}
	return func(by string) bool {
		name, _, _ := strings.Cut(by, ",")
		return slices.Contains(names, name)
	}
}
