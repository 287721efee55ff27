package ispctl_test

import (
	"net/netip"
	"testing"

	"ispctl"
)

func TestParseListen(t *testing.T) {
	addr := netip.MustParseAddr("203.0.113.10")
	for _, tt := range []struct {
		in   string
		want ispctl.Listen
		text string
	}{
		{"203.0.113.10:2222/tcp", ispctl.Listen{Addr: addr, Port: 2222, Proto: ispctl.TCP}, "203.0.113.10:2222/tcp"},
		{"203.0.113.10:53/udp", ispctl.Listen{Addr: addr, Port: 53, Proto: ispctl.UDP}, "203.0.113.10:53/udp"},
		{"203.0.113.10:80", ispctl.Listen{Addr: addr, Port: 80, Proto: ispctl.TCP}, "203.0.113.10:80/tcp"},
		{"203.0.113.10:65535", ispctl.Listen{Addr: addr, Port: 65535, Proto: ispctl.TCP}, "203.0.113.10:65535/tcp"},
		{"[2001:db8::1]:80", ispctl.Listen{Addr: netip.MustParseAddr("2001:db8::1"), Port: 80, Proto: ispctl.TCP}, "[2001:db8::1]:80/tcp"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ispctl.ParseListen(tt.in)
			if err != nil || got != tt.want {
				t.Fatalf("want %+v, have %+v, %v", tt.want, got, err)
			}
			if got.String() != tt.text {
				t.Errorf("want %s, have %s", tt.text, got)
			}
		})
	}
}

func TestParseListenRefuses(t *testing.T) {
	const shape = "is not ADDRESS:PORT/PROTO with a port of 1 to 65535"
	for _, tt := range []struct{ in, want string }{
		{"", shape},
		{"203.0.113.10", shape},
		{"203.0.113.10:", shape},
		{"203.0.113.10:0", shape},
		{"203.0.113.10:65536", shape},
		{"203.0.113.10:-1", shape},
		{"203.0.113.10:http", shape},
		{"203.0.113.010:80", shape},
		{"203.0.113.10:80:90", shape},
		{":80", shape},
		{"web1:80", shape},
		{"[fe80::1%eth0]:80", shape},
		{"203.0.113.10:80/", `protocol "" is not tcp or udp`},
		{"203.0.113.10:80/sctp", `protocol "sctp" is not tcp or udp`},
		{"203.0.113.10:80/TCP", `protocol "TCP" is not tcp or udp`},
		{"203.0.113.10:80/tcp/udp", `protocol "tcp/udp" is not tcp or udp`},
	} {
		t.Run(tt.in, func(t *testing.T) {
			_, err := ispctl.ParseListen(tt.in)
			refused(t, err, ispctl.Usage, "forward", tt.want)
		})
	}
}

func FuzzParseListen(f *testing.F) {
	for _, seed := range []string{"203.0.113.10:2222/tcp", "203.0.113.10:53/udp", "203.0.113.10:80", "[::1]:80", "[::ffff:1.2.3.4]:1", "[fe80::1%a/tcp]:80", ":0/", "a:1/tcp"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ispctl.ParseListen(s)
		if err != nil {
			refused(t, err, ispctl.Usage, "forward")
			return
		}
		if again, err := ispctl.ParseListen(l.String()); err != nil || again != l {
			t.Fatalf("%q is %v, read again %v, %v", s, l, again, err)
		}
	})
}

func TestParseForwardTarget(t *testing.T) {
	for _, tt := range []struct {
		in   string
		vm   ispctl.Name
		port uint16
		want string // of the error
	}{
		{in: "web1:22", vm: "web1", port: 22},
		{in: "a:65535", vm: "a", port: 65535},
		{in: "web1", want: `forward target "web1": is not VM:PORT`},
		{in: "", want: "is not VM:PORT"},
		{in: ":22", want: "vm: the name is empty"},
		{in: "Web:22", want: `vm "Web": the name does not start`},
		{in: "web1:", want: "has no port of 1 to 65535"},
		{in: "web1:0", want: "has no port of 1 to 65535"},
		{in: "web1:65536", want: "has no port of 1 to 65535"},
		{in: "web1:+22", want: "has no port of 1 to 65535"},
		{in: "web1:22:23", want: "has no port of 1 to 65535"},
		{in: "10.10.0.2:22", want: "does not start with a lower-case letter"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			vm, port, err := ispctl.ParseForwardTarget(tt.in)
			if tt.want != "" {
				refused(t, err, ispctl.Usage, tt.want)
				return
			}
			if err != nil || vm != tt.vm || port != tt.port {
				t.Fatalf("want %s %d, have %s %d, %v", tt.vm, tt.port, vm, port, err)
			}
			if to := (ispctl.Forward{VM: vm, Port: port}).To(); to != tt.in {
				t.Errorf("want %s, have %s", tt.in, to)
			}
		})
	}
}

func FuzzParseForwardTarget(f *testing.F) {
	for _, seed := range []string{"web1:22", "a:1", ":", "web1:0", "web1:65536", "web1:022", "A:1", "::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		vm, port, err := ispctl.ParseForwardTarget(s)
		if err != nil {
			refused(t, err, ispctl.Usage)
			return
		}
		to := ispctl.Forward{VM: vm, Port: port}.To()
		if vm2, port2, err := ispctl.ParseForwardTarget(to); err != nil || vm2 != vm || port2 != port {
			t.Fatalf("%q is %s, read again %s %d, %v", s, to, vm2, port2, err)
		}
	})
}

func TestParseService(t *testing.T) {
	for _, tt := range []struct {
		in      string
		want    ispctl.Service
		refused bool
	}{
		{in: "22/tcp", want: ispctl.Service{Port: 22, Proto: ispctl.TCP}},
		{in: "51820/udp", want: ispctl.Service{Port: 51820, Proto: ispctl.UDP}},
		{in: "65535/tcp", want: ispctl.Service{Port: 65535, Proto: ispctl.TCP}},
		{in: "22", refused: true},
		{in: "", refused: true},
		{in: "/tcp", refused: true},
		{in: "0/tcp", refused: true},
		{in: "65536/tcp", refused: true},
		{in: "22/sctp", refused: true},
		{in: "22/tcp/udp", refused: true},
		{in: "ssh/tcp", refused: true},
		{in: " 22/tcp", refused: true},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ispctl.ParseService(tt.in)
			if tt.refused {
				refused(t, err, ispctl.Usage, "service", "is not PORT/tcp or PORT/udp")
				return
			}
			if err != nil || got != tt.want || got.String() != tt.in {
				t.Errorf("want %+v, have %+v (%s), %v", tt.want, got, got, err)
			}
		})
	}
}

func FuzzParseService(f *testing.F) {
	for _, seed := range []string{"22/tcp", "51820/udp", "022/tcp", "0/tcp", "/", "65536/udp", "22/TCP"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ispctl.ParseService(s)
		if err != nil {
			refused(t, err, ispctl.Usage, "service")
			return
		}
		if again, err := ispctl.ParseService(got.String()); err != nil || again != got {
			t.Fatalf("%q is %s, read again %s, %v", s, got, again, err)
		}
	})
}
