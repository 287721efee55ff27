package dhcp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"ispctl"
)

// leaseSeconds is how long a guest may keep its address without asking again.
const leaseSeconds = 3600

// The files beside the configuration. dnsmasq is told of them on its command
// line, where no character of a path has a meaning.
const (
	namesFile = "hosts"      // hosts(5)
	macsFile  = "dhcp-hosts" // --dhcp-hostsfile
)

// setting is a line of dnsmasq.conf: a long option, and its values.
type setting struct {
	option string
	values []string
}

func set(option string, values ...fmt.Stringer) setting {
	s := setting{option: option}
	for _, v := range values {
		s.values = append(s.values, v.String())
	}
	return s
}

// word is a value that is a literal of this file, or a name that was checked.
type word string

func (w word) String() string { return string(w) }

func number(n int) word { return word(fmt.Sprint(n)) }

// config is the configuration of a zone's server. Whatever is in it restarts
// the server when it changes; what comes and goes with guests is not.
func config(z ispctl.Zone, link string) string {
	all := []setting{
		set("interface", word(link)),
		set("except-interface", word("lo")),
		set("bind-dynamic"), // beside other servers on other links
		set("user", word("dnsmasq")),
		set("group", word("nogroup")),
		set("pid-file", word("")),
		set("no-hosts"),
	}
	all = append(all, dns(z)...)
	all = append(all, dhcp4(z)...)
	all = append(all, dhcp6(z)...)
	var b strings.Builder
	fmt.Fprintf(&b, "# Zone %s, by ispctl; a change made here is put back.\n", z.Name)
	for _, s := range all {
		b.WriteString(s.option)
		if len(s.values) > 0 {
			b.WriteString("=" + strings.Join(s.values, ","))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func dns(z ispctl.Zone) []setting {
	if !z.DNS {
		return []setting{set("port", number(0))}
	}
	all := []setting{
		set("port", number(dnsPort)),
		set("domain-needed"),             // a name without a dot is nobody else's business,
		set("bogus-priv"),                // nor is a private address,
		set("local", word("/internal/")), // nor are our zones
	}
	if !z.Egress {
		// Asking for it would be a way out.
		all = append(all, set("no-resolv"))
	}
	return all
}

// dhcp4 gives the addresses of known hosts and no others. A host is known when
// a line of macsFile has its MAC.
func dhcp4(z ispctl.Zone) []setting {
	if !z.DHCP {
		return nil
	}
	all := []setting{
		set("dhcp-range", z.Prefix.Addr(), word("static"), mask(z.Prefix), number(leaseSeconds)),
		set("dhcp-authoritative"), // a renewal after a restart is granted
		set("dhcp-ignore", word("tag:!known")),
		set("dhcp-ignore", word("tag:bootp")), // its leases never end
		set("dhcp-ignore-names"),
		set("dhcp-lease-max", number(leases(z))),
		set("leasefile-ro"),
		set("no-ping"),    // the database knows what is free
		set("quiet-dhcp"), // guests do not fill the host's log
		set("dhcp-option", word("option:router"), z.Gateway()),
		set("dhcp-option", word("option:domain-name"), word(domain(z.Name))),
		set("dhcp-option", word("option:mtu"), number(z.LinkMTU())),
	}
	if z.DNS {
		all = append(all, set("dhcp-option", word("option:dns-server"), z.Gateway()))
	}
	return all
}

// dhcp6 gives the IPv6 addresses of known hosts, and tells all guests who their
// router is and what is on the link: their addresses are not for them to make
// up, since the wall lets only the one pass that they were given. The hosts, and
// what is kept of leases, are those of dhcp4.
func dhcp6(z ispctl.Zone) []setting {
	if !z.DHCP || !z.Prefix6.IsValid() {
		return nil
	}
	all := []setting{
		set("dhcp-range", z.Prefix6.Addr(), word("static"), number(z.Prefix6.Bits()), number(leaseSeconds)),
		set("quiet-dhcp6"),
		set("quiet-ra"),
		set("enable-ra"), // managed, without the flag that lets guests make addresses
		set("dhcp-option", word("option6:domain-search"), word(domain(z.Name))),
	}
	if z.DNS {
		all = append(all, set("dhcp-option", word("option6:dns-server"), bracketed(z.Gateway6())))
	}
	return all
}

// leases is more than there are guests, each with one of either family.
func leases(z ispctl.Zone) int {
	all := 1 << (32 - z.Prefix.Bits())
	if z.Prefix6.IsValid() {
		all *= 2
	}
	return all
}

// bracketed is how dnsmasq reads an IPv6 address among other values.
func bracketed(a netip.Addr) word { return word("[" + a.String() + "]") }

// domain is that of templates.Domain, which a layer does not see.
func domain(zone ispctl.Name) string { return string(zone) + ".internal" }

// mask is the netmask of an IPv4 prefix.
func mask(p netip.Prefix) netip.Addr {
	a, _ := netip.AddrFromSlice(net.CIDRMask(p.Bits(), 32))
	return a
}

// files are what the server reads again at SIGHUP, by name.
func (s Server) files() map[string]string {
	var names, macs strings.Builder
	for _, h := range s.Hosts {
		fmt.Fprintf(&names, "%s %s.%s\n", h.Addr, h.Name, domain(s.Zone))
		fmt.Fprintf(&macs, "%s,%s", h.MAC, h.Addr)
		if h.Addr6.IsValid() {
			fmt.Fprintf(&names, "%s %s.%s\n", h.Addr6, h.Name, domain(s.Zone))
			fmt.Fprintf(&macs, ",%s", bracketed(h.Addr6))
		}
		macs.WriteString("\n")
	}
	return map[string]string{namesFile: names.String(), macsFile: macs.String()}
}

// digest names a configuration by what is in it.
func digest(config string) string {
	sum := sha256.Sum256([]byte(config))
	return hex.EncodeToString(sum[:8])
}

const configSuffix = ".conf"

// arguments are the command line of the server in dir that runs by the
// configuration of that digest, and the mark of its process.
func arguments(dir, digest string) []string {
	return []string{
		"dnsmasq", "--conf-file=" + filepath.Join(dir, digest+configSuffix),
		"--addn-hosts=" + filepath.Join(dir, namesFile), "--dhcp-hostsfile=" + filepath.Join(dir, macsFile),
	}
}
