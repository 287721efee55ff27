package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ispctl"
	"ispctl/converge"
)

// Kernel is the groups of one installation on this host.
type Kernel struct {
	host   Host
	inst   ispctl.Installation
	parent string
}

var _ converge.Target[State, Change] = (*Kernel)(nil)

// New is for a host with what it has; see [Find].
func New(h Host, inst ispctl.Installation) *Kernel {
	return &Kernel{host: h, inst: inst, parent: Parent(inst)}
}

// places are the hierarchies that there are, each once.
func (k *Kernel) places() []Place {
	var all []Place
	for _, p := range []Place{k.host.CPU, k.host.CPUSet, k.host.Disk} {
		if p.there() && !has(all, p) {
			all = append(all, p)
		}
	}
	return all
}

func has(all []Place, p Place) bool {
	for _, one := range all {
		if one == p {
			return true
		}
	}
	return false
}

// Observe reads what is ours.
func (k *Kernel) Observe(ctx context.Context) (State, error) {
	s := State{}
	for _, p := range k.places() {
		entries, err := os.ReadDir(filepath.Join(p.Dir, k.parent))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list groups: %w", err)
		}
		s[k.parent] = Group{}
		for _, e := range entries {
			if _, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && e.IsDir() {
				s[path.Join(k.parent, e.Name())] = Group{}
			}
		}
	}
	if len(s) == 0 || ctx.Err() != nil {
		return s, ctx.Err()
	}
	processes, err := Processes()
	if err != nil {
		return nil, err
	}
	for p := range s {
		g, there, err := k.readGroup(p)
		if !there {
			delete(s, p) // it went just now
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read group %s: %w", p, err)
		}
		if id, ok := k.id(p); ok {
			g.Astray, err = k.astray(p, g, processes[k.inst.GuestUID(id)])
			if err != nil {
				return nil, fmt.Errorf("read group %s: %w", p, err)
			}
		}
		s[p] = g
	}
	return s, nil
}

// id is the VM whose group a path is.
func (k *Kernel) id(p string) (int64, bool) {
	if path.Dir(p) != k.parent {
		return 0, false
	}
	id, err := strconv.ParseInt(path.Base(p), 10, 64)
	return id, err == nil
}

// holds are the hierarchies in which a group has a directory: in the cpuset of
// version 1 only one that is pinned, since there a group without CPUs takes
// nobody in.
func (k *Kernel) holds(p string, g Group) []Place {
	var all []Place
	for _, place := range k.places() {
		if place == k.host.CPUSet && !place.V2 && place != k.host.CPU && g.CPUs == "" && p != k.parent {
			continue
		}
		all = append(all, place)
	}
	return all
}

func (k *Kernel) astray(p string, g Group, pids []int) (bool, error) {
	if len(pids) == 0 {
		return false, nil
	}
	for _, place := range k.holds(p, g) {
		in, err := members(filepath.Join(place.Dir, p))
		if err != nil {
			return false, err
		}
		for _, pid := range pids {
			if !in[pid] && alive(pid) {
				return true, nil
			}
		}
	}
	return false, nil
}

// Apply carries out changes in order, past a group that fails.
func (k *Kernel) Apply(ctx context.Context, changes []Change) error {
	var errs []error
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		do := k.set
		if c.Gone {
			do = k.remove
		}
		if err := do(ctx, c); err != nil {
			errs = append(errs, &converge.Fault{Object: c.Object(), Err: fmt.Errorf("%s: %w", c, err)})
		}
	}
	return errors.Join(errs...)
}

func (k *Kernel) set(ctx context.Context, c Change) error {
	for _, place := range k.places() {
		if err := k.make(place, c.Path, c.Group); err != nil {
			return err
		}
	}
	g := c.Group
	if place := k.host.CPU; place.there() {
		if err := setCPU(place, filepath.Join(place.Dir, c.Path), g, c.Path == k.parent); err != nil {
			return err
		}
	}
	if place := k.host.Disk; place.there() && c.Path != k.parent {
		dir := filepath.Join(place.Dir, c.Path)
		file, err := weightFile(dir)
		if err != nil {
			return err
		}
		n := g.DiskWeight
		if n == 0 {
			n = ispctl.DefaultShares
		}
		if err := write(dir, filepath.Base(file), strconv.FormatInt(n, 10)); err != nil {
			return err
		}
	}
	id, ok := k.id(c.Path)
	if !ok {
		return nil
	}
	return k.join(ctx, id, g)
}

func setCPU(place Place, dir string, g Group, parent bool) error {
	if place.V2 {
		err := write(dir, "cpu.weight", strconv.FormatInt(g.Weight, 10))
		if !parent {
			err = errors.Join(err, write(dir, "cpu.max", maxText(g.Ceiling)))
		}
		return err
	}
	err := write(dir, "cpu.shares", strconv.FormatInt(shares(g.Weight), 10))
	if parent {
		return err
	}
	q := int64(-1)
	if g.Ceiling != 0 {
		q = quota(g.Ceiling)
	}
	return errors.Join(err, write(dir, "cpu.cfs_period_us", strconv.Itoa(period)), write(dir, "cpu.cfs_quota_us", strconv.FormatInt(q, 10)))
}

// make makes a group in one hierarchy, and its set of CPUs where that is kept.
func (k *Kernel) make(place Place, p string, g Group) error {
	dir := filepath.Join(place.Dir, p)
	if place == k.host.CPUSet && !place.V2 && p != k.parent && g.CPUs == "" && place != k.host.CPU {
		return k.leave(place, dir)
	}
	if place.V2 {
		// Whoever is above has to hand the controllers down.
		if err := k.handDown(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make group: %w", err)
	}
	if p == k.parent {
		if place == k.host.CPUSet && !place.V2 {
			return inherit(place.Dir, dir)
		}
		return nil
	}
	if err := unix.Setxattr(dir, labelName, []byte(g.VM), 0); err != nil {
		return fmt.Errorf("mark group: %w", err)
	}
	if place != k.host.CPUSet {
		return nil
	}
	if !place.V2 {
		if err := inherit(filepath.Dir(dir), dir); err != nil {
			return err
		}
	}
	text := string(g.CPUs)
	if text == "" {
		if !place.V2 {
			return nil
		}
		text = "\n" // nothing written is nothing said
	}
	err := write(dir, "cpuset.cpus", text)
	if g.CPUs == "" && errors.Is(err, unix.ENOSPC) {
		err = write(dir, "cpuset.cpus", string(k.host.AllCPUs))
	}
	return err
}

// inherit gives a set of version 1 what the one above it has, without which
// nobody may enter.
func inherit(from, to string) error {
	for _, name := range []string{"cpuset.mems", "cpuset.cpus"} {
		have, err := readText(filepath.Join(to, name))
		if err != nil || have != "" {
			if err != nil {
				return err
			}
			continue
		}
		text, err := readText(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := write(to, name, text); err != nil {
			return err
		}
	}
	return nil
}

func (k *Kernel) handDown(dir string) error {
	text, err := readText(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	on := " " + text + " "
	for _, one := range []struct {
		name  string
		place Place
	}{{"cpu", k.host.CPU}, {"cpuset", k.host.CPUSet}, {"io", k.host.Disk}} {
		if !one.place.V2 || strings.Contains(on, " "+one.name+" ") {
			continue
		}
		if err := write(dir, "cgroup.subtree_control", "+"+one.name); err != nil {
			return fmt.Errorf("hand controller %s down: %w", one.name, err)
		}
	}
	return nil
}

// Join puts the processes of a guest into its group, which is there. A guest
// whose processors stand still uses nothing before.
func (k *Kernel) Join(ctx context.Context, vm int64) error {
	if len(k.places()) == 0 {
		return nil
	}
	g, there, err := k.readGroup(Of(k.inst, vm))
	if err != nil || !there {
		return err
	}
	return k.join(ctx, vm, g)
}

func (k *Kernel) join(ctx context.Context, vm int64, g Group) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	processes, err := Processes()
	if err != nil {
		return err
	}
	p := Of(k.inst, vm)
	for _, pid := range processes[k.inst.GuestUID(vm)] {
		for _, place := range k.holds(p, g) {
			if err := move(pid, filepath.Join(place.Dir, p)); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove takes a group away. Processes of a guest that was ended may take a
// moment to be gone.
func (k *Kernel) remove(ctx context.Context, c Change) error {
	var errs []error
	for _, place := range k.places() {
		errs = append(errs, rmdir(ctx, filepath.Join(place.Dir, c.Path)))
	}
	return errors.Join(errs...)
}

// leave sends whoever is in a group to the root of its hierarchy, and takes the
// group away.
func (k *Kernel) leave(place Place, dir string) error {
	in, err := members(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for pid := range in {
		if err := move(pid, place.Dir); err != nil {
			return err
		}
	}
	return rmdir(context.Background(), dir)
}

// patience is how long the processes of a guest that has ended may be there.
const patience = 5 * time.Second

func rmdir(ctx context.Context, dir string) error {
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Rmdir(dir)
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist):
			return nil
		case !errors.Is(err, unix.EBUSY), time.Since(begun) > patience, ctx.Err() != nil:
			return fmt.Errorf("remove group %s: %w", dir, err)
		}
	}
}

// labelName is the attribute that says whose a group is.
const labelName = "user.ispctl.vm"

func (k *Kernel) label(dir string) ispctl.Name {
	b := make([]byte, 256)
	n, err := unix.Getxattr(dir, labelName, b)
	if err != nil {
		return ""
	}
	return ispctl.Name(b[:n])
}
