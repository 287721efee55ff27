package cgroup

import (
	"fmt"
	"path"
	"strings"

	"ispctl/converge"
)

// Change makes a group as wanted, or removes it.
type Change struct {
	Path  string
	Group Group // as wanted; of a removal, as it was seen
	There bool  // it was seen
	Gone  bool  // it is to go
}

// Kind is Prune for what is left over.
func (c Change) Kind() converge.Kind {
	if c.Gone {
		return converge.Prune
	}
	return converge.Ensure
}

// Object is the guest that the group holds, as errors name it.
func (c Change) Object() string {
	if c.Group.VM == "" {
		return "cgroup " + c.Path
	}
	return "vm " + string(c.Group.VM)
}

// String is the commands of cgroup-tools that do the same, in the words of
// version 2.
func (c Change) String() string {
	if c.Gone {
		return "cgdelete cpu,cpuset,io:" + c.Path
	}
	var words []string
	set := func(key, value string) { words = append(words, "-r "+key+"="+value) }
	g := c.Group
	if g.Weight != 0 {
		set("cpu.weight", fmt.Sprint(g.Weight))
	}
	if path.Dir(c.Path) != "." {
		set("cpu.max", quoted(maxText(g.Ceiling)))
	}
	if g.CPUs != "" {
		set("cpuset.cpus", string(g.CPUs))
	}
	if g.DiskWeight != 0 {
		set("io.weight", fmt.Sprint(g.DiskWeight))
	}
	text := "cgset " + strings.Join(append(words, c.Path), " ")
	if !c.There {
		text = "cgcreate -g cpu,cpuset,io:" + c.Path + " && " + text
	}
	return text
}

func quoted(s string) string { return `"` + s + `"` }
