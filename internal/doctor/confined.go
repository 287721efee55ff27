package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ispctl"
)

// trait is one thing that holds a guest's process, as /proc/PID shows it.
type trait struct {
	name string
	lack func(process) string // empty: it holds
}

// process is a guest's QEMU.
type process struct {
	vm     ispctl.VM
	inst   ispctl.Installation
	paths  ispctl.Paths
	status map[string]string // of /proc/PID/status
	files  []string          // that it has open
}

// traits are the points that a guest is scored by.
var traits = []trait{
	{"a user of its own", func(p process) string {
		if want := fmt.Sprint(p.inst.GuestUID(p.vm.ID)); !all(p.status["Uid"], want) || !all(p.status["Gid"], want) {
			return "its users are " + strings.Join(strings.Fields(p.status["Uid"]), ",")
		}
		return ""
	}},
	{"no capability", func(p process) string {
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
			if strings.Trim(p.status[set], "0") != "" || p.status[set] == "" {
				return set + " is " + p.status[set]
			}
		}
		return ""
	}},
	{"no new privileges", is("NoNewPrivs", "1")},
	{"a filter of system calls", is("Seccomp", "2")},
	{"no file of another guest", func(p process) string {
		for _, file := range p.files {
			if rest, below := strings.CutPrefix(file, p.paths.Guests()+"/"); below && !strings.HasPrefix(rest, p.vm.UUID+"/") {
				return "it has " + file + " open"
			}
		}
		return ""
	}},
	{"nothing of ispctl's own", func(p process) string {
		for _, file := range p.files {
			switch file {
			case p.paths.Database(), p.paths.Usage(), p.paths.Config(), p.paths.HostKeys():
				return "it has " + file + " open"
			}
		}
		return ""
	}},
}

func is(field, want string) func(process) string {
	return func(p process) string {
		if p.status[field] == want {
			return ""
		}
		return fmt.Sprintf("%s is %q", field, p.status[field])
	}
}

// all reports whether a field of users is that one four times.
func all(field, want string) bool {
	words := strings.Fields(field)
	for _, w := range words {
		if w != want {
			return false
		}
	}
	return len(words) == 4
}

// confinement scores each guest's process. One without a process has none to
// score.
func confinement(_ context.Context, p *Patient) ([]Finding, error) {
	pids, err := guestProcesses(p.Proc)
	if err != nil {
		return nil, err
	}
	var found []Finding
	points, most := 0, 0
	for vm := range p.Model.Guests() {
		for _, pid := range pids[vm.UUID] {
			one, err := readProcess(filepath.Join(p.Proc, pid))
			if errors.Is(err, fs.ErrNotExist) {
				continue // it has just ended
			}
			if err != nil {
				return nil, err
			}
			one.vm, one.inst, one.paths = vm, p.Model.Installation, p.Model.Paths
			var lacks []string
			for _, t := range traits {
				if lack := t.lack(one); lack != "" {
					lacks = append(lacks, t.name+" ("+lack+")")
				}
			}
			points, most = points+len(traits)-len(lacks), most+len(traits)
			if len(lacks) > 0 {
				found = append(found, Finding{
					State: Failed, Object: "vm " + string(vm.Name), Found: fmt.Sprintf("%d of %d points; lacks %s", len(traits)-len(lacks), len(traits), strings.Join(lacks, ", ")),
					Cure: "ispctl vm restart " + string(vm.Name) + ", and see that qemu.conf leaves seccomp_sandbox on and clear_emulator_capabilities at 1",
				})
			}
		}
	}
	if most == 0 {
		return []Finding{{State: Skipped, Found: "no guest's QEMU runs"}}, nil
	}
	if len(found) == 0 {
		found = []Finding{{State: OK, Found: fmt.Sprintf("%d of %d points: each guest's process has %s", points, most, traitNames())}}
	}
	return found, nil
}

func traitNames() string {
	names := make([]string, len(traits))
	for i, t := range traits {
		names[i] = t.name
	}
	return strings.Join(names, ", ")
}

// guestProcesses are the QEMUs there are, by the UUID of their guest.
func guestProcesses(proc string) (map[string][]string, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	pids := map[string][]string{}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(proc, e.Name(), "cmdline"))
		if err != nil {
			continue // it has just ended
		}
		args := strings.Split(string(text), "\x00")
		if !strings.Contains(filepath.Base(args[0]), "qemu") {
			continue
		}
		for i, arg := range args[:len(args)-1] {
			if arg == "-uuid" {
				pids[args[i+1]] = append(pids[args[i+1]], e.Name())
			}
		}
	}
	return pids, nil
}

func readProcess(dir string) (process, error) {
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return process{}, err
	}
	p := process{status: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		if field, value, ok := strings.Cut(line, ":"); ok {
			p.status[field] = strings.TrimSpace(value)
		}
	}
	links, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return process{}, err
	}
	for _, link := range links {
		if file, err := os.Readlink(filepath.Join(dir, "fd", link.Name())); err == nil {
			p.files = append(p.files, file)
		}
	}
	return p, nil
}
