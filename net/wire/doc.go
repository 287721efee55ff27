// Package wire is the layer of the uplink's last gate: no frame leaves by the
// uplink with a MAC that the provider did not issue, whatever made the frame. A
// provider takes any other for an intruder, and locks the port.
//
// It is one table of family netdev, with a chain on the uplink's way out. The
// uplink's own MAC is a fact of the host that each pass asks for. An uplink
// that is a bridge has no such chain: frames of guests that are ports of it
// leave past it, and are held to their MAC by the wall (net/firewall).
//
// Needs Linux 5.16, for the hook; where it is missing the pass fails and says
// so. Ownership: the table's name. Source: nft(8), "NETDEV ADDRESS FAMILY".
package wire
