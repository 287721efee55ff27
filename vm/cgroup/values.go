package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ispctl"
)

// period is how often, in microseconds, CPU time is counted anew.
const period = 100_000

// quota is the CPU time in a period.
func quota(c ispctl.Percent) int64 { return int64(c) * period / 100 }

// ceiling is the way back, to the nearest whole percent.
func ceiling(quota, per int64) ispctl.Percent {
	if quota <= 0 || per <= 0 {
		return 0
	}
	return ispctl.Percent((quota*100 + per/2) / per)
}

// maxText is a ceiling as cpu.max has it.
func maxText(c ispctl.Percent) string {
	if c == 0 {
		return fmt.Sprintf("max %d", period)
	}
	return fmt.Sprintf("%d %d", quota(c), period)
}

// Version 1 counts 1024 for a CPU where version 2, and a weight of ours, count
// 100.
const sharesOfCPU = 1024

func shares(weight int64) int64 { return (weight*sharesOfCPU + 50) / 100 }

func weight(shares int64) int64 { return (shares*100 + sharesOfCPU/2) / sharesOfCPU }

// readGroup reads what a group holds to; what the host lacks stays zero.
func (k *Kernel) readGroup(path string) (g Group, there bool, err error) {
	var errs []error
	in := func(p Place) (string, bool) {
		if !p.there() {
			return "", false
		}
		dir := filepath.Join(p.Dir, path)
		_, err := os.Stat(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		there = there || err == nil
		return dir, err == nil
	}
	number := func(file string) int64 {
		n, err := readNumber(file)
		errs = append(errs, err)
		return n
	}
	if dir, ok := in(k.host.CPU); ok {
		g.VM = k.label(dir)
		if k.host.CPU.V2 {
			g.Weight = number(filepath.Join(dir, "cpu.weight"))
			text, err := readText(filepath.Join(dir, "cpu.max"))
			errs = append(errs, err)
			have, per, _ := strings.Cut(text, " ")
			if q, err := strconv.ParseInt(have, 10, 64); err == nil { // "max" is none
				n, _ := strconv.ParseInt(per, 10, 64)
				g.Ceiling = ceiling(q, n)
			}
		} else {
			g.Weight = weight(number(filepath.Join(dir, "cpu.shares")))
			g.Ceiling = ceiling(number(filepath.Join(dir, "cpu.cfs_quota_us")), number(filepath.Join(dir, "cpu.cfs_period_us")))
		}
	}
	if dir, ok := in(k.host.CPUSet); ok && path != k.parent {
		g.VM = k.label(dir)
		text, err := readText(filepath.Join(dir, "cpuset.cpus"))
		if g.CPUs = ispctl.CPUSet(text); g.CPUs == k.host.AllCPUs {
			g.CPUs = ""
		}
		errs = append(errs, err)
	}
	if dir, ok := in(k.host.Disk); ok {
		g.VM = k.label(dir)
		file, err := weightFile(dir)
		errs = append(errs, err)
		if err == nil {
			text, err := readText(file)
			errs = append(errs, err)
			// "default 100", and lines for single disks.
			fields := strings.Fields(text)
			if len(fields) > 0 && fields[0] == "default" {
				fields = fields[1:]
			}
			if len(fields) > 0 {
				if n, err := strconv.ParseInt(fields[0], 10, 64); err == nil && n != ispctl.DefaultShares {
					g.DiskWeight = n
				}
			}
		}
	}
	return g, there, errors.Join(errs...)
}

// weightFile is where BFQ keeps a group's weight; what it is called depends on
// the kernel.
func weightFile(dir string) (string, error) {
	for _, name := range []string{"blkio.bfq.weight", "blkio.weight", "io.bfq.weight", "io.weight"} {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s has no weight of BFQ", dir)
}

func readText(file string) (string, error) {
	data, err := os.ReadFile(file)
	return strings.TrimSpace(string(data)), err
}

func readNumber(file string) (int64, error) {
	text, err := readText(file)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

func write(dir, name, text string) error {
	// Not truncated, and not made: the kernel has these files, or has them not.
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(fmt.Errorf("write %q to %s: %w", text, name, err), f.Close())
	}
	return f.Close()
}
