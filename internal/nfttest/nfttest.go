// Package nfttest is what the tests of every layer on nftables do: the laws on
// the fake and on the kernel, and the text of a table held against the real
// nft.
package nfttest

import (
	"context"
	"encoding/hex"
	"maps"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ispctl"
	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/net/nft"
)

// Layer is a layer on nftables.
type Layer struct {
	Name    string
	Desired func(*ispctl.Model) (nft.State, error)
	Models  []*ispctl.Model
	Device  string // that has to be there; empty: none
}

// enter moves the test into a namespace that has the device.
func (l Layer) enter(t testing.TB) {
	t.Helper()
	testkit.NetNS(t)
	if l.Device != "" {
		testkit.Sh(t, "ip", "link", "add", l.Device, "type", "veth", "peer", "name", "peer-of-it")
	}
}

// LawsOnFake walks the models on the fake.
func (l Layer) LawsOnFake(t *testing.T) {
	fake := nft.NewFake()
	convergetest.Laws(t, convergetest.Suite[nft.State, nft.Change]{
		Models: l.Models, Desired: l.Desired, Diff: nft.Diff, Target: fake,
		Foreign: func() string { return "a fake has no foreign tables" }, Passes: 400,
	})
}

// foreign is a rule set of somebody else, with names that could be ours.
const foreign = `
table inet ispctl {
	chain forward {
		type filter hook forward priority 0; policy accept;
		counter
	}
}
table ip nat {
	chain POSTROUTING {
		type nat hook postrouting priority 100;
		oifname "eth9" masquerade
	}
}
table ip6 ispctl-firewall-not {
	set zones {
		type ifname
		elements = { "isp-dmz" }
	}
}
table bridge ispctl-firewall-not.drops {
	chain judge {
		type filter hook prerouting priority 0; policy accept;
		counter
	}
}
`

// ours reports whether a table is the one called table or a part of it.
func ours(table, name string) bool {
	return name == table || strings.HasPrefix(name, nft.Part(table, ""))
}

// LawsOnKernel walks the models on the real nftables, in a namespace.
func (l Layer) LawsOnKernel(t *testing.T) {
	l.enter(t)
	load(t, foreign)
	table := l.table()
	convergetest.Laws(t, convergetest.Suite[nft.State, nft.Change]{
		Models: l.Models, Desired: l.Desired, Diff: nft.Diff, Target: open(t, table),
		Foreign: func() string { return ruleset(t, func(name string) bool { return !ours(table, name) }) },
	})
}

// TextIsTruth loads the text of every model's tables with the real nft in one
// namespace, and applies the same tables by netlink in another. What nft lists
// must not differ: then the dry run, the goldens and the kernel agree.
func (l Layer) TextIsTruth(t *testing.T) {
	for i, m := range l.Models {
		want, err := l.Desired(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(want) == 0 {
			continue
		}
		byText := make(chan string)
		go func() {
			defer close(byText)
			l.enter(t)
			for _, key := range slices.Sorted(maps.Keys(want)) {
				load(t, want[key].Script())
			}
			byText <- ruleset(t, all)
		}()
		text := <-byText
		byNetlink := make(chan string)
		go func() {
			defer close(byNetlink)
			l.enter(t)
			k := open(t, l.table())
			if err := k.Apply(context.Background(), nft.Diff(want, nft.State{})); err != nil {
				t.Error(err)
			}
			byNetlink <- ruleset(t, all)
		}()
		if diff := cmp.Diff(inWords(text), inWords(<-byNetlink)); diff != "" || text == "" {
			t.Errorf("model %d: (-nft -f +netlink):\n%s", i, diff)
		}
	}
}

// tag is a VLAN's, after a MAC, in a set declared so.
var tag = regexp.MustCompile(`(:[0-9a-f]{2} \. )0x([0-9a-f]{1,4})\b`)

// bytes16 is an IPv6 address as nft(8) lists it in a set that was declared by
// bytes of the packet. The kernel has the same set either way.
var bytes16 = regexp.MustCompile(`0x[0-9a-f]{32}`)

func inWords(listing string) string {
	listing = tag.ReplaceAllStringFunc(listing, func(text string) string {
		parts := tag.FindStringSubmatch(text)
		n, _ := strconv.ParseUint(parts[2], 16, 16)
		return parts[1] + strconv.FormatUint(n, 10)
	})
	return bytes16.ReplaceAllStringFunc(listing, func(text string) string {
		b, err := hex.DecodeString(text[2:])
		if err != nil {
			return text
		}
		a, _ := netip.AddrFromSlice(b)
		return a.String()
	})
}

// SeenByHand harms the table with nft commands, one after the other, and
// expects each to be seen and mended.
func (l Layer) SeenByHand(t *testing.T, harms ...string) {
	for _, harm := range harms {
		t.Run(harm, func(t *testing.T) {
			l.enter(t)
			k := open(t, l.table())
			want, err := l.Desired(l.Models[2])
			if err != nil {
				t.Fatal(err)
			}
			pass := func() int {
				have, err := k.Observe(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				changes := nft.Diff(want, have)
				if err := k.Apply(context.Background(), changes); err != nil {
					t.Fatal(err)
				}
				return len(changes)
			}
			pass()
			load(t, harm)
			if pass() == 0 {
				t.Error("the harm was not seen")
			}
			if n := pass(); n != 0 {
				t.Errorf("%d changes after it was mended", n)
			}
		})
	}
}

// Goldens keeps the changes between the models, and the whole last table.
func (l Layer) Goldens(t *testing.T) {
	var b strings.Builder
	have := nft.State{}
	for _, m := range l.Models {
		want, err := l.Desired(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range nft.Diff(want, have) {
			b.WriteString(c.String() + "\n")
		}
		b.WriteString("\n")
		have = want
	}
	testkit.Golden(t, "changes.txt", b.String())
}

func (l Layer) table() string { return l.Models[0].Installation.Table(l.Name) }

func open(t testing.TB, table string) *nft.Kernel {
	t.Helper()
	k, err := nft.Open(table)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

func load(t testing.TB, script string) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s\n%s", err, out, script)
	}
}

func all(string) bool { return true }

// byExample is how nft shows a set that was declared by examples of its keys;
// by netlink it is given the types, see [nft.TypeNDTarget].
var byType = strings.NewReplacer(
	"typeof iifname . ether saddr . @th,64,128", "type ifname . ether_addr . ipv6_addr",
	"typeof iifname . @th,64,128", "type ifname . ipv6_addr",
	"typeof iifname . ether saddr . @ll,112,16", "type ifname . ether_addr . inet_service",
	"typeof ip saddr . meta time", "type ipv4_addr . time",
)

// marks are the values of maps to packet marks. Without the byte order of a
// map's values, which the library cannot give it, nft shows those that came by
// netlink backwards; that they are right, only packets can show.
var marks = regexp.MustCompile(`: 0x([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})\b`)

// eitherWay writes a mark in the same way from either end.
func eitherWay(mark string) string {
	b := marks.FindStringSubmatch(mark)[1:]
	there := strings.Join(b, "")
	slices.Reverse(b)
	return ": mark " + min(there, strings.Join(b, ""))
}

// counts are what changes between two looks at the same rule.
var counts = regexp.MustCompile(`packets \d+ bytes \d+`)

// ruleset lists the tables whose name passes, as nft shows them.
func ruleset(t testing.TB, pass func(table string) bool) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(testkit.Sh(t, "nft", "list", "tables")) {
		f := strings.Fields(line) // table FAMILY NAME
		if pass(f[2]) {
			list := counts.ReplaceAllString(testkit.Sh(t, "nft", "list", "table", f[1], f[2]), "counted")
			list = marks.ReplaceAllStringFunc(list, eitherWay)
			b.WriteString(byType.Replace(list))
		}
	}
	return b.String()
}
