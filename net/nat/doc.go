// Package nat is the layer of address translation on the uplink: which
// external address a zone's traffic bears, and which port of a VM answers on
// an external address.
//
// It is one table of family ip. Zones and forwards are elements of two maps, so
// that the cost per packet is one look-up however many there are. A forward
// only changes where a packet goes; whether it may go there is the firewall's
// to say.
//
// Ownership: the table's name. Source: nft(8), "NAT statements".
package nat
