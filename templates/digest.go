package templates

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
)

// Digester tells the seeds of one template apart without rendering them, which
// is done for every guest in every pass.
type Digester struct{ version [sha256.Size]byte }

// NewDigester renders one sample by the template, so that a later ispctl that
// renders otherwise has other digests, and so has an altered template.
func NewDigester(t Template) (Digester, error) {
	files, err := Seed(t, sample)
	if err != nil {
		return Digester{}, fmt.Errorf("template %s: %w", t.Name, err)
	}
	text, err := json.Marshal(files) // sorted by name
	return Digester{sha256.Sum256(text)}, err
}

// Digest is 64 hex digits that differ whenever the files differ that [Seed]
// renders of the input. It refuses what Seed refuses.
func (d Digester) Digest(in SeedInput) (string, error) {
	in, err := in.clean()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(d.version[:], text...))
	return hex.EncodeToString(sum[:]), nil
}

// sample has every field, and every kind of NIC that is rendered in its own
// way.
var sample = SeedInput{
	InstanceID: "i-1", Hostname: "sample", Zone: "sample",
	HostKey: HostKeyLine(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)),
	Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
	Keys:    []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f sample"},
	NICs: []NICInput{
		{
			MAC: "02:00:00:00:00:01", Nets: []NetInput{
				{Addr: netip.MustParsePrefix("192.0.2.2/24"), Gateway: netip.MustParseAddr("192.0.2.1")},
				{Addr: netip.MustParsePrefix("2001:db8::2/64"), Gateway: netip.MustParseAddr("2001:db8::1")},
			},
			DNS: []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("2001:db8::53")},
		},
		{MAC: "02:00:00:00:00:02", Nets: []NetInput{{Addr: netip.MustParsePrefix("198.51.100.2/32"), Gateway: netip.MustParseAddr("192.0.2.1")}}},
		{MAC: "02:00:00:00:00:03", Nets: []NetInput{{Addr: netip.MustParsePrefix("198.51.100.2/24")}}},
		{MAC: "02:00:00:00:00:04"},
	},
}
