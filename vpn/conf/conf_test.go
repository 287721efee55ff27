package conf_test

import (
	"bytes"
	"image/png"
	"net/netip"
	"strings"
	"testing"

	"ispctl/internal/convergetest"
	"ispctl/internal/testkit"
	"ispctl/vpn/conf"
)

func config() conf.Config {
	return conf.Config{
		Name: "ann", PrivateKey: string(convergetest.PublicKey(7)), PresharedKey: string(convergetest.PublicKey(8)), Preshared: true,
		Address: netip.MustParseAddr("10.9.0.2"), HostKey: convergetest.PublicKey(1), Endpoint: "2001:db8::2", Port: 51820,
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/32"), netip.MustParsePrefix("10.255.0.0/16")},
	}
}

func TestText(t *testing.T) {
	without := config()
	without.PrivateKey, without.PresharedKey, without.Endpoint = "", "", ""
	testkit.Golden(t, "ann.conf", config().Text()+"\n"+without.Text())
}

// TestQR: the terminal and the picture show the same dots, and both have the
// border that readers need.
func TestQR(t *testing.T) {
	rows, err := config().Dots()
	if err != nil {
		t.Fatal(err)
	}
	text, err := config().Terminal()
	if err != nil {
		t.Fatal(err)
	}
	picture, err := config().PNG()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text, "\n")
	size := len(rows)
	scale := img.Bounds().Dx() / (size + 8)
	for y := -4; y < size+4; y++ {
		line := []rune(strings.TrimSuffix(strings.TrimPrefix(lines[(y+4)/2], "\x1b[30;107m"), "\x1b[0m"))
		for x := -4; x < size+4; x++ {
			want := y >= 0 && y < size && x >= 0 && x < size && rows[y][x]
			half := "▀█"
			if y%2 != 0 {
				half = "▄█"
			}
			if got := strings.ContainsRune(half, line[x+4]); got != want {
				t.Fatalf("terminal, dot %d,%d: %t", x, y, got)
			}
			if r, _, _, _ := img.At((x+4)*scale+scale/2, (y+4)*scale+scale/2).RGBA(); (r == 0) != want {
				t.Fatalf("picture, dot %d,%d: %t", x, y, r == 0)
			}
		}
	}
}
